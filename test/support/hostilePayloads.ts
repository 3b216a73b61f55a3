/** What a payload does when it is run instead of shown: see `watchExecution`. */
const run = 'window.pwned=1';
const coded = (text: string): string => text.replaceAll(/./g, (character) => `&#${character.charCodeAt(0)};`);

/** Markup that runs something in one context or another: text, attributes, scripts, styles, templates, links. */
const markup: readonly string[] = [
  ...['img', 'image', 'video', 'audio', 'embed', 'iframe', 'input type=image', 'source', 'link rel=stylesheet href=x'].flatMap(
    (tag) => [`<${tag} src=x onerror="${run}">`, `<${tag.toUpperCase()} SRC=x ONERROR=${run}>`],
  ),
  ...['svg', 'body', 'iframe', 'style', 'object data=x', 'link rel=preload as=script href=data:,', 'math', 'marquee'].flatMap(
    (tag) => [`<${tag} onload=${run}>`, `<${tag}\tonload\n=\r${run}>`, `<${tag}/onload=${run}//`],
  ),
  ...['onfocus', 'onanimationstart', 'ontransitionend', 'onpointerover', 'onmouseover', 'ontoggle', 'onbeforetoggle'].flatMap(
    (event) => [
      `<input autofocus ${event}=${run}>`,
      `<details open ${event}=${run}>x</details>`,
      `" ${event}="${run}`,
      `' ${event}='${run}`,
      `x ${event}=${run} y`,
      `\` ${event}=\`${run}`,
    ],
  ),
  ...['script', 'SCRIPT', 'script/x', 'script\t', 'svg><script', 'math><script'].flatMap((tag) => [
    `<${tag}>${run}</script>`,
    `</script><${tag}>${run}</script>`,
    `--></script><${tag}>${run}//`,
    `</title><${tag}>${run}</script>`,
    `</style><${tag}>${run}</script>`,
    `</pre></textarea></noscript><${tag}>${run}</script>`,
  ]),
  ...['javascript:', 'JaVaScRiPt:', 'java\tscript:', ' javascript:', '\u0001javascript:', 'data:text/html,', 'vbscript:'].flatMap(
    (scheme) => [
      `<a href="${scheme}${run}">x</a>`,
      `${scheme}${run}`,
      `<iframe src="${scheme}${run}">`,
      `<form action="${scheme}${run}"><button>x`,
      `<meta http-equiv=refresh content="0;url=${scheme}${run}">`,
      `[x](${scheme}${run})`,
    ],
  ),
  ...[run, `<img src=x onerror=${run}>`].flatMap((inner) => [
    coded(inner),
    encodeURIComponent(inner),
    encodeURIComponent(encodeURIComponent(inner)),
    `<iframe srcdoc="${coded(inner)}">`,
    `<template><img src=x onerror=${run}></template>${inner}`,
    `<noscript>${inner}</noscript>`,
    `<!--><!---->${inner}<!--`,
    `<![CDATA[${inner}]]>`,
    `<xmp>${inner}</xmp>`,
    `<svg><foreignObject>${inner}</foreignObject></svg>`,
    `<math><mtext><table><mglyph><style>${inner}`,
    `<form><math><mtext></form><form><mglyph><style></math>${inner}`,
    `\u2028${inner}\u2029`,
    `\ufeff${inner}`,
    `\u0000${inner}\u0000`,
    `\u202e${inner}\u202c`,
  ]),
  ...['${', '{{', '#{', '<%=', '${{', '*{', '@{', '[[', '$(', '`'].map((open) => `${open}${run}}}`),
  '<style>*{background:url(javascript:window.pwned=1)}@import "//panel.invalid/x.css";</style>',
  '<base href="https://elsewhere.invalid/">',
  '<link rel=import href=data:text/html,x>',
  '<link rel=prefetch href="https://elsewhere.invalid/">',
  '<img src="https://elsewhere.invalid/x.png">',
  '<meta http-equiv="Content-Security-Policy" content="script-src *">',
  '<hpo-study-panel state="x"></hpo-study-panel>',
  '<slot onslotchange=window.pwned=1><b></b></slot>',
  '</html><html><body onload=window.pwned=1>',
  '<a href="command:workbench.action.terminal.new">x</a>',
  '[run it](command:workbench.action.terminal.new)',
  '[run it](command:workbench.action.terminal.new "tip")',
  '$(trash) $(sync~spin)',
  '<x id=__proto__><x id=constructor name=attributes>',
  '__proto__',
  'constructor',
  '\\"};window.pwned=1;//',
  '"}],"x":1});window.pwned=1//',
  '<!--<script>',
  '&lt;script&gt;window.pwned=1&lt;/script&gt;',
  '\ud800<img src=x onerror=window.pwned=1>\udfff',
];

/** What a terminal obeys: cursor, colours, titles, clipboard, links, answers typed for the user, and what only looks obeyed. */
const escapes: readonly string[] = [
  ...['\u001b[', '\u009b'].flatMap((csi) =>
    ['2J', 'H', '1A', '1G', '2K', '31m', '8m', '0m', '?25l', '?1049h', '6n', 'c', '5i', '21t', '1;1r', '4h'].map(
      (rest) => `a${csi}${rest}b`,
    ),
  ),
  ...['\u001b]', '\u009d'].flatMap((osc) =>
    [
      '0;title',
      '2;title',
      '52;c;cm0gLXJm',
      '8;;https://elsewhere.invalid',
      '4;1;#fff',
      '1337;File=:eA==',
      '9;note',
      '777;notify;a;b',
    ].flatMap((rest) => [`a${osc}${rest}\u0007b`, `a${osc}${rest}\u001b\\b`]),
  ),
  ...['P', '_', '^', 'X', 'N', 'O', 'c', '7', '8', 'D', 'M', 'E', 'Z', '=', '>', '(0', '#8', '%@'].map(
    (rest) => `a\u001b${rest}b`,
  ),
  ...[
    '\r',
    '\b',
    '\u0007',
    '\u0000',
    '\u000b',
    '\u000c',
    '\u000e',
    '\u000f',
    '\u007f',
    '\u0085',
    '\u0090',
    '\u0098',
    '\u009c',
    '\u009e',
  ].map((control) => `failed${control}complete`),
  ...['\u202a', '\u202b', '\u202d', '\u202e', '\u2066', '\u2067', '\u2068', '\u200e', '\u200f', '\u061c', '\u2028', '\u2029'].map(
    (mark) => `a${mark}gnp.exe`,
  ),
  'lost\r\u001b[2K✓ complete',
  `${'x'.repeat(500)}\r0.9999`,
];

/** More than 300 texts that would do something if anything obeyed them. */
export const hostilePayloads: readonly string[] = [...new Set([...markup, ...escapes])];

/** Those that a line of a source file or of output can hold. */
export const linePayloads: readonly string[] = hostilePayloads.filter(
  (text) => !text.includes('\n') && !text.includes('\u0000') && text.isWellFormed(),
);
