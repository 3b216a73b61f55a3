import type { Locator, Page } from 'playwright-core';

const maxWrites = 4;
/** After this long an editor has noticed a change of its file, or has missed it. */
const noticedMs = 10_000;

/** The editor of a training script, with its lens and its squiggles. */
export class ScriptEditor {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** A lens by its text. */
  lens(text: string | RegExp): Locator {
    return this.#page.locator('.codelens-decoration a', { hasText: text });
  }

  /** Texts of all lenses, in order. */
  async lenses(): Promise<string[]> {
    return await this.#page.locator('.codelens-decoration a').allInnerTexts();
  }

  get errors(): Locator {
    return this.#page.locator('.squiggly-error');
  }

  /** Puts the cursor into the text. */
  async focus(): Promise<void> {
    await this.#page
      .locator('.editor-instance .view-lines')
      .first()
      .click({ position: { x: 200, y: 5 } });
  }

  async undo(): Promise<void> {
    await this.focus();
    await this.#page.keyboard.press('Control+Z');
  }

  async save(): Promise<void> {
    await this.#page.keyboard.press('Control+S');
    await this.#saved();
  }

  /**
   * Lets another program write the file that is open, until the editor shows a line of what was written. An editor that
   * has just written the file itself may take one write from outside for its own: the next one it notices.
   */
  async changedOutside(write: () => void, line: RegExp): Promise<void> {
    await this.#saved();
    const shown = this.#page.locator('.view-line', { hasText: line }).first();
    for (let tries = 1; tries < maxWrites; tries++) {
      write();
      const isShown = await shown.waitFor({ timeout: noticedMs }).then(
        () => true,
        () => false,
      );
      if (isShown) return;
    }
    write();
    await shown.waitFor();
  }

  async #saved(): Promise<void> {
    await this.#page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
  }
}
