import type { Locator, Page } from 'playwright-core';
import { ScriptEditor } from './scriptEditor.ts';
import { StudyPanelPage } from './studyPanel.ts';
import { TrialExplorer } from './trialExplorer.ts';

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
    await this.page.locator('.monaco-workbench .statusbar').waitFor();
    await this.page.locator('.activitybar [aria-label^="HPO"]').first().waitFor();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.waitUntilReady();
  }

  async openFile(name: string): Promise<void> {
    await this.page.keyboard.press('Control+P');
    await this.page.locator('.quick-input-widget input').first().fill(name);
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: name }).first().waitFor();
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

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
