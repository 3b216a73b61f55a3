import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
} from '@vscode/webview-ui-toolkit';
import { html, nothing, type TemplateResult } from 'lit';

/** The only file that knows the toolkit: its controls are made here, and can be swapped here. */
export function registerControls(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeCheckbox(), vsCodeDropdown(), vsCodeOption());
}

/**
 * The toolkit reads the theme's variables when the page has loaded and whenever the body's class changes. Where no editor
 * does that (a report whose reader switches to dark), this makes it look again.
 */
export function refreshControls(): void {
  document.body.classList.toggle('theme-changed');
}

export function button(options: {
  readonly label: string;
  readonly onClick: () => void;
  readonly isPrimary?: boolean;
  readonly isDisabled?: boolean;
  readonly title?: string;
  /** A stable name for tests. */
  readonly id: string;
}): TemplateResult {
  return html`<vscode-button
    data-action=${options.id}
    appearance=${options.isPrimary === true ? 'primary' : 'secondary'}
    ?disabled=${options.isDisabled === true}
    title=${options.title ?? nothing}
    @click=${options.isDisabled === true ? nothing : options.onClick}
    >${options.label}</vscode-button
  >`;
}

export function checkbox(options: {
  readonly label: string;
  readonly isChecked: boolean;
  readonly onChange: (isChecked: boolean) => void;
}): TemplateResult {
  return html`<vscode-checkbox
    .checked=${options.isChecked}
    @change=${(event: Event) => options.onChange((event.target as HTMLInputElement).checked)}
    >${options.label}</vscode-checkbox
  >`;
}

export function choice(options: {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly string[];
  readonly onChange: (value: string) => void;
}): TemplateResult {
  return html`<vscode-dropdown
    aria-label=${options.label}
    @change=${(event: Event) => options.onChange(options.choices[(event.target as HTMLSelectElement).selectedIndex] ?? options.value)}
    >${options.choices.map((name, i) => html`<vscode-option value=${String(i)} ?selected=${name === options.value}>${name}</vscode-option>`)}</vscode-dropdown
  >`;
}
