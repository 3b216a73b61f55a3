import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Parameter } from '../../../agent/protocol/space.ts';
import type { StudyView } from '../../../agent/protocol/view.ts';
import { renderReport } from '../../../agent/report/renderReport.ts';
import { hostilePayloads } from '../../support/hostilePayloads.ts';
import { findChromium, launch, openPanel, pageSources, type PageSources, watchProblems } from '../../support/panelPage.ts';
import { scene } from '../../support/views.ts';

const chromium = findChromium();

/** Trials of the study in which everything is hostile. */
const nTrials = 3;

it('there are at least 300 payloads', () => expect(hostilePayloads.length).toBeGreaterThanOrEqual(300));

describe.skipIf(chromium === null)('300 hostile texts in every field', () => {
  let browser: Browser;
  let sources: PageSources;
  let folder: string;
  beforeAll(async () => {
    [browser, sources, folder] = await Promise.all([
      launch(chromium ?? ''),
      pageSources(),
      mkdtemp(join(tmpdir(), 'hpo-payloads-')),
    ]);
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('the watch sees what is run, and what the policy refuses to run', async () => {
    await using panel = await openPanel(browser, sources);
    const seen = await watchExecution(panel.page);
    await panel.page.evaluate(
      () => (document.body.innerHTML += '<img src=x onerror="window.pwned=1"><img src="https://elsewhere.invalid/x">'),
    );
    await expect.poll(async () => (await seen()).refused).toEqual(['script-src-attr', 'img-src']);
    expect((await seen()).executed).toBe(0);
    expect(panel.problems.length).toBeGreaterThan(0);

    const context = await browser.newContext();
    const page = await context.newPage();
    const open = await watchExecution(page);
    await page.setContent('<p>without a policy</p>');
    await page.evaluate(() => (document.body.innerHTML += '<img src=x onerror="window.pwned=1">'));
    await expect.poll(async () => (await open()).executed).toBe(1);
    await context.close();
  });

  it('are text in the panel: nothing is run, refused, or another element', async () => {
    await using panel = await openPanel(browser, sources);
    const { page } = panel;
    const seen = await watchExecution(page);
    const show = async (text: string): Promise<string> => {
      await panel.post({ type: 'study', view: hostileStudy(text) });
      await panel.post({ type: 'notice', notice: { severity: 'warning', text } });
      await panel.post({ type: 'log', trial: 1, text: `${text}\n${text}`, isEnded: true });
      await page.waitForFunction(
        (wanted) => document.querySelector('hpo-study-panel pre')?.textContent === wanted,
        `${text}\n${text}`,
      );
      return await page.evaluate(skeleton);
    };
    await panel.post({ type: 'study', view: hostileStudy('first') });
    await page.locator('[data-trial="1"]').click();
    await page.locator('summary').click();
    const harmless = await show('harmless');
    expect(harmless).toContain('h1');
    const wrong: string[] = [];
    for (const text of batches()) {
      if ((await show(text)) !== harmless) wrong.push(`another page: ${JSON.stringify(text)}`);
      const missing = await page.evaluate(fieldsWithout, text);
      if (missing.length > 0) wrong.push(`not shown in ${missing.join(', ')}: ${JSON.stringify(text)}`);
    }
    expect(wrong).toEqual([]);
    expect(await seen()).toEqual({ executed: 0, refused: [] });
    expect(panel.problems).toEqual([]);
  });

  it('are text in the report: nothing is run, refused, asked for, or another element', async () => {
    const context = await browser.newContext({ offline: true });
    const page = await context.newPage();
    const problems = watchProblems(page);
    const seen = await watchExecution(page);
    const requests: string[] = [];
    const file = join(folder, 'report.html');
    const url = pathToFileURL(file).href;
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) requests.push(request.url());
    });
    const show = async (text: string): Promise<string> => {
      await writeFile(file, renderReport(hostileStudy(text), sources.script, sources.style, text));
      await page.goto(url);
      await page.waitForSelector('h1');
      return await page.evaluate(skeleton);
    };
    const harmless = await show('harmless');
    const wrong: string[] = [];
    for (const texts of batches()) {
      if ((await show(texts)) !== harmless) wrong.push(`another page: ${JSON.stringify(texts)}`);
      const missing = await page.evaluate(fieldsWithout, texts);
      if (missing.length > 0) wrong.push(`not shown in ${missing.join(', ')}: ${JSON.stringify(texts)}`);
      const title = await page.evaluate(() => document.querySelector('title')?.textContent);
      const findings = await page.evaluate(() => document.querySelector('.findings pre')?.textContent);
      if (title !== `${asParsed(texts, '\ufffd')}: tuning report`) wrong.push(`title: ${JSON.stringify([title, texts])}`);
      if (findings !== asParsed(texts, '')) wrong.push(`findings: ${JSON.stringify([findings, texts])}`);
      const { executed, refused } = await seen();
      if (executed > 0 || refused.length > 0) wrong.push(`run or refused: ${JSON.stringify([executed, refused, texts])}`);
    }
    expect(wrong).toEqual([]);
    expect([problems, requests]).toEqual([[], []]);
    await context.close();
  });
});

const perPage = 20;

/** Several in one text, as a page takes a moment to be drawn: each is in each field all the same. */
function batches(): readonly string[] {
  return Array.from({ length: Math.ceil(hostilePayloads.length / perPage) }, (_, page) =>
    hostilePayloads.slice(page * perPage, (page + 1) * perPage).join(' '),
  );
}

/** What a browser reads where a file has this text: it knows one kind of line ends and no NUL. Half characters become whole when written. */
function asParsed(text: string, nul: string): string {
  return text.toWellFormed().replaceAll(/\r\n?/g, '\n').replaceAll('\u0000', nul);
}

/** A study that carries the text wherever a study carries text. */
function hostileStudy(text: string): StudyView {
  const base = scene('failed');
  const numeric = base.spec.space.parameters.find(({ distribution }) => distribution.type === 'float');
  if (numeric === undefined) throw new Error('the scene has a float');
  const site = { file: text, line: 1, column: 1 };
  const parameters: readonly Parameter[] = [
    { ...numeric, name: `${text}1`, when: text, site },
    { ...numeric, name: `${text}2`, site, distribution: { type: 'categorical', choices: [text, `${text}!`] }, default: text },
  ];
  const failure = { kind: 'userError', code: 'HPO-3001', message: text } as const;
  const attempt = {
    attempt: 1,
    slot: 0,
    target: 1,
    state: 'ended',
    rate: null,
    waits: null,
    pid: 1,
    stopReason: text,
    exitCode: 1,
    failure,
    startedAt: 1,
    endedAt: 2,
  } as const;
  const [first] = base.trials;
  if (first === undefined) throw new Error('the scene has a trial');
  return {
    ...base,
    message: text,
    spec: {
      ...base.spec,
      name: text,
      root: text,
      script: text,
      command: [text, '{script}', text],
      space: { parameters, where: [text] },
      objectives: [{ metric: text, direction: 'min', goal: null }],
      constraints: [text],
      fidelity: base.spec.fidelity === null ? null : { ...base.spec.fidelity, name: `${text}f`, site },
      metrics: [{ type: 'stdout', metric: text, pattern: text, stepPattern: text }],
      checkpoint: { dir: text },
      environment: { interpreter: text, version: text, reason: text },
      snapshot: text,
      spaceHash: text,
    },
    incumbent: 0,
    trials: Array.from({ length: nTrials }, (_, number) => ({
      ...first,
      number,
      state: number === 1 ? 'failed' : 'complete',
      params: { [`${text}1`]: 0.001, [`${text}2`]: text },
      reason: text,
      values: { [text]: 1 + number, [`${text}m`]: 2 },
      curve: [{ step: 1, values: { [text]: 1 + number }, at: 1 }],
      attempts: [attempt],
      failure: number === 1 ? failure : null,
    })),
  };
}

/** Counts what is run and what the policy refuses, from before the page's own first script on. */
async function watchExecution(
  page: Page,
): Promise<() => Promise<{ readonly executed: number; readonly refused: readonly string[] }>> {
  const install = (): void => {
    const seen = { executed: 0, refused: [] as string[] };
    const count = (): void => {
      seen.executed++;
    };
    Object.defineProperty(globalThis, 'pwned', { set: count, get: () => undefined, configurable: true });
    Object.assign(globalThis, { alert: count, seen });
    document.addEventListener('securitypolicyviolation', (event) => seen.refused.push(event.effectiveDirective));
  };
  await page.addInitScript(install);
  // A page that is open already.
  await page.evaluate(install);
  page.on('dialog', (dialog) => void dialog.dismiss());
  return () => page.evaluate(() => (globalThis as unknown as { seen: { executed: number; refused: string[] } }).seen);
}

/** The names of all elements and their attributes, in order: what text must not change. */
function skeleton(): string {
  return [...document.querySelectorAll('*')]
    .filter((element) => element.tagName !== 'CANVAS' && element.closest('.uplot') === null)
    .map((element) => [element.localName, ...element.getAttributeNames()].join(' '))
    .join('\n');
}

/** Places of the page that should show the text and do not. */
function fieldsWithout(text: string): string[] {
  const places: readonly string[] = [
    'h1',
    '.details .facts',
    '.details table',
    '.record-section',
    '[role=columnheader]',
    '.banner',
  ];
  return places.filter(
    (selector) => ![...document.querySelectorAll(selector)].some((element) => element.textContent?.includes(text)),
  );
}
