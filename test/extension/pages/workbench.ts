import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { ScriptEditor } from './scriptEditor.ts';
import { StudyPanelPage } from './studyPanel.ts';
import { TrialExplorer } from './trialExplorer.ts';

/** In which a window opens on a machine that has other things to do; extensions come last. */
const startMs = 150_000;

/** A VS Code window: what a user does with mouse and keyboard, by the names that they see. */
export class Workbench {
  readonly page: Page;
  readonly editor: ScriptEditor;
  readonly explorer: TrialExplorer;
  readonly panel: StudyPanelPage;

  constructor(page: Page) {
    this.page = page;
    this.editor = new ScriptEditor(page);
    this.explorer = new TrialExplorer(page);
    this.panel = new StudyPanelPage(page);
  }

  async waitUntilReady(): Promise<void> {
    await this.page.locator('.monaco-workbench .statusbar').waitFor({ timeout: startMs });
    await this.page.locator('.activitybar [aria-label^="HPO"]').first().waitFor({ timeout: startMs });
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.waitUntilReady();
  }

  async openFile(name: string): Promise<void> {
    await this.page.keyboard.press('Control+P');
    await this.page.locator('.quick-input-widget input').first().fill(name);
    // The one that Enter takes: rows of what was typed before go away a moment later.
    await this.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: name }).waitFor();
    await this.page.keyboard.press('Enter');
    await this.page.locator('.tab.active', { hasText: name }).waitFor();
  }

  async runCommand(title: string): Promise<void> {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget input');
    await input.fill(`>${title}`);
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first().click();
  }

  /** Titles of the commands that the palette offers for these words. */
  async offeredCommands(words: string): Promise<string[]> {
    await this.page.keyboard.press('F1');
    await this.page.locator('.quick-input-widget input').fill(`>${words}`);
    const rows = this.page.locator('.quick-input-list .monaco-list-row .label-name');
    await rows.first().waitFor();
    const titles = await rows.allInnerTexts();
    await this.page.keyboard.press('Escape');
    return titles;
  }

  /** What a screen reader says of the tab that has the focus. */
  async activeTab(): Promise<string> {
    return (await this.page.locator('.editor-group-container.active .tab.active').getAttribute('aria-label')) ?? '';
  }

  notification(text: string | RegExp): Locator {
    return this.page.locator('.notification-list-item', { hasText: text });
  }

  /** A button of a notification. */
  notificationButton(text: string | RegExp, name: string): Locator {
    return this.notification(text).getByRole('button', { name });
  }

  /** Answers the question for a file with a path. */
  async choosePath(path: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input').first();
    // It starts with a folder, whose listing would overwrite what is typed before it is there.
    await this.quickPickRow('..').first().waitFor();
    await input.fill(path);
    // While it lists the new folder it does not hear Enter.
    for (let tries = 0; tries < 10 && (await input.isVisible()); tries++) {
      await this.page.keyboard.press('Enter');
      await input.waitFor({ state: 'hidden', timeout: 1000 }).catch(() => undefined);
    }
  }

  statusBarItem(text: string | RegExp): Locator {
    return this.page.locator('.statusbar-item', { hasText: text });
  }

  quickPickRow(text: string | RegExp): Locator {
    return this.page.locator('.quick-input-list .monaco-list-row', { hasText: text });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  async screenshot(path: string): Promise<void> {
    await this.page.mouse.move(0, 0);
    await this.page.screenshot({ path });
  }

  /** Only where HPO_SCREENSHOTS=1 asks for pictures to look at. */
  async screenshotIfAsked(name: string): Promise<void> {
    if (process.env['HPO_SCREENSHOTS'] !== '1') return;
    await this.page.screenshot({ path: fileURLToPath(new URL(`../screenshots/${name}.actual.png`, import.meta.url)) });
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
