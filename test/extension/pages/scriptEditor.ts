import type { Locator, Page } from 'playwright-core';

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
    await this.#page.locator('.tab.active.selected.dirty').waitFor({ state: 'detached' });
  }
}
