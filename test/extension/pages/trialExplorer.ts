import type { Locator, Page } from 'playwright-core';

/** The HPO side bar: studies and their trials. */
export class TrialExplorer {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async open(): Promise<void> {
    const title = this.#page.locator('.part.sidebar .composite.title', { hasText: 'Studies' });
    // A window that was reloaded opens by itself what was open; another click on its icon would close it.
    const open = this.#page.locator('.activitybar .action-item.checked .action-label');
    const label = await open.first().getAttribute('aria-label');
    if (label?.startsWith('HPO') !== true) await this.#page.locator('.activitybar [aria-label^="HPO"]').first().click();
    await title.waitFor();
  }

  /** A row by what a screen reader says of it. */
  row(label: string | RegExp): Locator {
    return this.#page.locator('.sidebar').getByRole('treeitem', { name: label });
  }

  async expand(label: string | RegExp): Promise<void> {
    const row = this.row(label).first();
    await row.waitFor();
    if ((await row.getAttribute('aria-expanded')) === 'false') await row.click();
  }

  /** Chooses an entry of a row's context menu. */
  async chooseFromMenu(label: string | RegExp, entry: string): Promise<void> {
    await this.row(label).first().click({ button: 'right' });
    // A menu hears no button for 100 ms after it opened, so that the click that opened it does not count.
    await this.#page.getByRole('menuitem', { name: entry }).click({ delay: 300 });
  }

  get welcome(): Locator {
    return this.#page.locator('.sidebar .welcome-view-content');
  }
}
