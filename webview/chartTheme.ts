import type { TrialState } from '../agent/protocol/study.ts';
import { trialStates } from './trialRows.ts';

/** Colours of the charts, read from the style sheet, which takes them from the editor's theme. */
export interface ChartTheme {
  readonly foreground: string;
  readonly background: string;
  readonly muted: string;
  readonly grid: string;
  readonly best: string;
  readonly baseline: string;
  readonly selected: string;
  readonly fontFamily: string;
  readonly states: Readonly<Record<TrialState, string>>;
}

export function readTheme(): ChartTheme {
  const style = getComputedStyle(document.body);
  const value = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
  return {
    foreground: value('--panel-foreground', '#808080'),
    background: value('--panel-background', 'transparent'),
    muted: value('--panel-muted', '#808080'),
    grid: value('--panel-grid', '#80808040'),
    best: value('--chart-best', '#808080'),
    baseline: value('--chart-baseline', '#808080'),
    selected: value('--chart-selected', '#808080'),
    fontFamily: style.fontFamily,
    states: Object.fromEntries(trialStates.map((state) => [state, value(`--state-${state}`, '#808080')])) as Record<
      TrialState,
      string
    >,
  };
}

/** Calls back whenever the editor's theme, or a report reader's preference, changes. */
export function watchTheme(onChange: () => void): Disposable {
  const observer = new MutationObserver(onChange);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['class', 'style'] });
  return { [Symbol.dispose]: () => observer.disconnect() };
}
