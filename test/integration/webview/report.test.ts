import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderReport } from '../../../agent/report/renderReport.ts';
import { findChromium, launch, pageSources, type PageSources, paintedShare, watchProblems } from '../../support/panelPage.ts';
import { hostileTexts, scene } from '../../support/views.ts';

const chromium = findChromium();

describe.skipIf(chromium === null)('a report opened from disk, offline', () => {
  let browser: Browser;
  let sources: PageSources;
  let dir: string;
  beforeAll(async () => {
    [browser, sources, dir] = await Promise.all([launch(chromium ?? ''), pageSources(), mkdtemp(join(tmpdir(), 'hpo-report-'))]);
  });
  afterAll(async () => {
    await browser.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** The page, everything it asked for, and everything it complained about. */
  async function open(html: string, options: { colorScheme?: 'dark' | 'light'; width?: number } = {}) {
    const file = join(dir, `report ${Math.random().toString(36).slice(2)} "ä".html`);
    await writeFile(file, html);
    const context = await browser.newContext({
      offline: true,
      colorScheme: options.colorScheme ?? 'light',
      viewport: { width: options.width ?? 1_400, height: 900 },
    });
    const page = await context.newPage();
    const problems = watchProblems(page);
    const requests: string[] = [];
    const url = pathToFileURL(file).href;
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) requests.push(request.url());
    });
    await page.goto(url);
    await page.waitForSelector('h1, .banner');
    return { page, problems, requests, [Symbol.asyncDispose]: () => context.close() };
  }
  const findings = 'Importance\n  lr  62 %  ████ <script>alert(1)</script>';
  const report = (name: Parameters<typeof scene>[0]) => renderReport(scene(name), sources.script, sources.style, findings);
  const background = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

  it.each(['light', 'dark'] as const)('shows charts, best values, gain and how to run it again (%s)', async (colorScheme) => {
    await using opened = await open(report('ended'), { colorScheme });
    const { page } = opened;
    await page.waitForSelector('hpo-curves-chart canvas');
    for (const chart of ['hpo-best-chart', 'hpo-curves-chart'])
      expect(await paintedShare(page, `${chart} canvas`)).toBeGreaterThan(0.01);
    expect(await page.locator('[data-figure=gain]').textContent()).toBe('+67.2 %');
    const text = (await page.locator('.record-section').textContent()) ?? '';
    for (const part of [
      'learning_rate',
      'float 1e-5 to 0.1, log',
      'one of "relu", "tanh", "logistic"',
      'train.py:12',
      'tpe',
      'asha-promote',
      'Seed7',
      '.venv/bin/python (3.13.1; project .venv)',
      '7b1de0c4a9f35e21',
    ]) {
      expect(text).toContain(part);
    }
    expect(await page.locator('.findings pre').textContent()).toBe(findings);
    const [panel, below] = await Promise.all([page.locator('.panel').boundingBox(), page.locator('.findings').boundingBox()]);
    expect(below?.y).toBeGreaterThanOrEqual((panel?.y ?? NaN) + (panel?.height ?? NaN) - 1);
    expect(await page.title()).toBe('train.py: tuning report');
    expect(await page.locator('[data-action]').count()).toBe(0);
    expect(await background(page)).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(31, 31, 31)');
    expect([opened.problems, opened.requests]).toEqual([[], []]);
  });

  it('runs no payload of a hostile study and shows it as text', async () => {
    await using opened = await open(report('hostile'));
    const { page } = opened;
    expect(await page.locator('h1').textContent()).toBe(hostileTexts[0]);
    await page.locator('[data-trial="3"]').click();
    await page.getByRole('heading', { name: 'Trial 3', exact: true }).waitFor();
    expect(await page.evaluate(() => 'pwned' in globalThis)).toBe(false);
    expect(await page.locator('img, [onerror], [onload]').count()).toBe(0);
    expect([opened.problems, opened.requests]).toEqual([[], []]);
  });

  it('would not run a script that someone put in: the policy admits one script only', async () => {
    await using opened = await open(
      report('ended').replace('</body>', '<script>window.pwned = 1</script><img src="https://example.invalid/x.png"></body>'),
    );
    expect(await opened.page.evaluate(() => 'pwned' in globalThis)).toBe(false);
    expect(opened.problems.filter((problem) => problem.includes('Content Security Policy')).length).toBe(2);
  });

  it('works with 5,000 trials', async () => {
    const html = report('fiveThousand');
    const begun = Date.now();
    await using opened = await open(html);
    const { page } = opened;
    await page.waitForSelector('hpo-curves-chart canvas');
    console.log(`report of 5,000 trials: ${(html.length / 1e6).toFixed(1)} MB, drawn after ${Date.now() - begun} ms`);
    expect(await page.locator('[role=grid]').getAttribute('aria-rowcount')).toBe('5001');
    expect(await page.locator('.rows .row').count()).toBeLessThan(60);
    await page.locator('[role=columnheader]').nth(2).click();
    await expect
      .poll(() => page.locator('.rows .row').first().getAttribute('data-trial'))
      .toBe(String(scene('fiveThousand').incumbent));
    expect([opened.problems, opened.requests]).toEqual([[], []]);
  });

  it('prints every row of a small study on a light page, whatever the screen is', async () => {
    await using opened = await open(report('ended'), { colorScheme: 'dark' });
    const { page } = opened;
    await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
    await expect.poll(() => page.locator('.rows .row').count()).toBe(40);
    expect(await background(page)).toBe('rgb(255, 255, 255)');
    await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
    await expect.poll(() => page.locator('.rows .row').count()).toBeLessThan(40);
    expect(await background(page)).toBe('rgb(31, 31, 31)');
    expect((await page.pdf()).length).toBeGreaterThan(20_000);
  });

  it('says so when its data was damaged', async () => {
    await using opened = await open(report('ended').replace('"direction":"max"', '"direction":"up"'));
    expect(await opened.page.locator('.banner').textContent()).toContain(
      'This report cannot be read (.spec .objectives [0] .direction expected one of min, max, got "up")',
    );
  });
});
