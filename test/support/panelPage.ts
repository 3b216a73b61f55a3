import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { ToHost, ToPage } from '../../webview/contract.ts';
import { type VsCodeTheme, vscodeThemes } from './vscodeThemes.ts';

/** The installed Chromium, or null: tests of pages are then skipped, except under CI. */
export function findChromium(): string | null {
  const path = [process.env['HPO_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (p) => p !== undefined && existsSync(p),
  );
  if (path !== undefined) return path;
  const reason = 'no Chromium: install the package chromium, or set HPO_CHROMIUM to a browser';
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.warn(`skipped: ${reason}`);
  return null;
}

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}

export interface PageSources {
  readonly script: string;
  readonly style: string;
}

/** The page as it ships, from the sources of this moment: the options are those of `.ci/build.mjs`. */
export async function pageSources(): Promise<PageSources> {
  const root = new URL('../..', import.meta.url).pathname;
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['webview/main.ts'],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
    loader: { '.css': 'text' },
  });
  return { script: result.outputFiles[0]?.text ?? '', style: await readFile(`${root}/media/panel.css`, 'utf8') };
}

export interface PanelPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings of the console, uncaught exceptions and refused content. */
  readonly problems: readonly string[];
  post(message: ToPage): Promise<void>;
  /** What the page told its host so far. */
  sent(): Promise<ToHost[]>;
}

export interface PanelOptions {
  readonly theme?: keyof typeof vscodeThemes;
  readonly width?: number;
  readonly height?: number;
  /** What `getState` gives: the page as it was before a reload. */
  readonly restored?: unknown;
}

/** The panel in a plain page with a host that only listens, under the content policy of the editor's panel. */
export async function openPanel(browser: Browser, sources: PageSources, options: PanelOptions = {}): Promise<PanelPage> {
  const context = await browser.newContext({ viewport: { width: options.width ?? 1_400, height: options.height ?? 900 } });
  const page = await context.newPage();
  const problems = watchProblems(page);
  const origin = 'https://panel.invalid';
  await page.route('**/*', (route) => {
    const path = new URL(route.request().url()).pathname;
    if (path === '/')
      return route.fulfill({ contentType: 'text/html', body: panelHtml(origin, vscodeThemes[options.theme ?? 'dark']) });
    if (path === '/webview.js') return route.fulfill({ contentType: 'text/javascript', body: sources.script });
    if (path === '/panel.css') return route.fulfill({ contentType: 'text/css', body: sources.style });
    problems.push(`asked for ${route.request().url()}`);
    return route.abort();
  });
  await page.addInitScript(
    (json) => {
      const sent: unknown[] = [];
      let kept: unknown = JSON.parse(json);
      Object.assign(globalThis, {
        sentToHost: sent,
        keptState: () => kept,
        acquireVsCodeApi: () => ({
          postMessage: (m: unknown) => sent.push(m),
          getState: () => kept,
          setState: (s: unknown) => (kept = s),
        }),
      });
    },
    JSON.stringify(options.restored ?? null),
  );
  await page.goto(`${origin}/`);
  await page.waitForFunction(() => customElements.get('hpo-study-panel') !== undefined);
  return {
    page,
    problems,
    // As text: the tool's own way of handing over large values takes seconds.
    post: (message) => page.evaluate((json) => window.postMessage(JSON.parse(json), '*'), JSON.stringify(message)),
    sent: () => page.evaluate(() => (globalThis as unknown as { sentToHost: ToHost[] }).sentToHost),
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** Everything on the page that a user or a developer would call wrong. */
export function watchProblems(page: Page): string[] {
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(String(error.stack ?? error)));
  return problems;
}

/** Share of a canvas' pixels that are painted, 0 to 1. */
export function paintedShare(page: Page, selector: string): Promise<number> {
  return page
    .locator(selector)
    .first()
    .evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray(4);
      let painted = 0;
      for (let i = 3; i < data.length; i += 4) if ((data[i] ?? 0) > 0) painted++;
      return painted / (data.length / 4);
    });
}

function panelHtml(origin: string, theme: VsCodeTheme): string {
  const variables = Object.entries(theme.variables)
    .map(([name, value]) => `--vscode-${name}: ${value.replaceAll('"', '&quot;')}`)
    .join('; ');
  const policy = `default-src 'none'; script-src 'nonce-n0nce'; style-src 'unsafe-inline' ${origin}; img-src data: ${origin}; font-src ${origin}`;
  return `<!doctype html><html lang="en" style="${variables}"><head><meta charset="utf-8"><title>Study</title><meta http-equiv="Content-Security-Policy" content="${policy}">
<style>html { scrollbar-color: var(--vscode-scrollbarSlider-background) var(--vscode-editor-background); } body { padding: 0 20px; background: transparent; }</style>
<link rel="icon" href="data:,"><link rel="stylesheet" href="${origin}/panel.css"></head>
<body class="${theme.bodyClass}" data-vscode-theme-kind="${theme.kind}"><script type="module" nonce="n0nce" src="${origin}/webview.js"></script></body></html>`;
}
