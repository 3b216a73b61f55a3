import { LitElement } from 'lit';

/** A component in the page's own tree, so that one style sheet and one tab order hold for all. */
export abstract class LightElement extends LitElement {
  protected override createRenderRoot(): this {
    return this;
  }
}
