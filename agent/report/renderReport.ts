import { createHash } from 'node:crypto';
import { formatMetric, formatParams, plural } from '../protocol/format.ts';
import { bestTrial, type StudyView } from '../protocol/view.ts';

/**
 * A study as one HTML file that opens anywhere, offline: the panel's page in read-only mode with its data inside.
 *
 * @param pageScript the text of `dist/webview.js`, an ES module without imports
 * @param pageStyle the text of `media/panel.css`
 * @param findings what the trials say, as lines of plain text; shown below the page, also without JavaScript. Empty for nothing
 * @returns the file's text. Its content policy admits this very script by hash and forbids every request.
 */
export function renderReport(view: StudyView, pageScript: string, pageStyle: string, findings: string): string {
  const script = inScript(withoutSourceMap(pageScript));
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`,
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en" class="report">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="hpo">
<title>${inText(`${view.spec.name}: tuning report`)}</title>
<link rel="icon" href="data:,">
<style>${pageStyle.replaceAll('</', '<\\/')}</style>
</head>
<body>
<noscript><p>${inText(summary(view))} The charts and the table of this report need JavaScript; nothing is loaded from anywhere.</p></noscript>
${findings === '' ? '' : `<section class="findings"><h2>What the trials say</h2><pre>${inText(findings)}</pre></section>\n`}<script type="application/json" id="hpo-study">${JSON.stringify(view).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

/** The one sentence for those who see nothing else. */
function summary(view: StudyView): string {
  const best = bestTrial(view);
  const objective = view.spec.objectives[0];
  const trials = `${view.spec.name}: ${plural(view.trials.length, 'trial')}`;
  if (best === null || objective === undefined) return `${trials}, no best one.`;
  return `${trials}. Best ${objective.metric} ${formatMetric(best.values[objective.metric], 6)} in trial ${best.number} with ${formatParams(best.params)}.`;
}

function inText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/**
 * Keeps a script from ending its element early: `</script` and `<!--` appear in a bundle only inside strings, templates
 * and expressions, where a backslash before `/` or `!` changes nothing.
 */
function inScript(script: string): string {
  return script.replaceAll(/<\/(script)/gi, '<\\/$1').replaceAll('<!--', '<\\!--');
}

/** The map is a file beside the bundle, which a report does not have. */
function withoutSourceMap(script: string): string {
  return script.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '');
}
