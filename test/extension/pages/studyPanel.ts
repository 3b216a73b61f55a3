import type { FrameLocator, Locator, Page } from 'playwright-core';

/** The study panel: a page within two frames of the editor. */
export class StudyPanelPage {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  get frame(): FrameLocator {
    return this.#page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');
  }

  get tab(): Locator {
    return this.#page.locator('.tab[data-resource-name*="webview"], .tab[aria-label*="Study"]');
  }

  /** The chart of learning curves once it has drawn something. */
  get firstCurve(): Locator {
    return this.frame.locator('hpo-curves-chart canvas').first();
  }

  /** A button by its stable name: pause, resume, stop, confirmStop, insertBest … */
  button(action: string): Locator {
    return this.frame.locator(`[data-action="${action}"]`);
  }

  /** The chip that says the state of the study. */
  state(name: string): Locator {
    return this.frame.locator('.study-head .chip', { hasText: name });
  }
}
