import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { TrialState } from '../agent/protocol/study.ts';
import type { StudyView, TrialView } from '../agent/protocol/view.ts';
import { formatNumber } from '../agent/protocol/format.ts';
import { LightElement } from './lightElement.ts';
import { marker } from './marker.ts';
import { shownState, waitOf, waitText } from '../agent/protocol/waits.ts';
import { type Column, columnsOf, type Sort, visibleTrials } from './trialRows.ts';

const rowHeight = 26;

/**
 * All trials as a grid of which only the visible rows exist. One cell is in the tab order; the arrow keys, Home, End and
 * Page keys move it, Enter selects a row or sorts by a column. Row −1 is the header.
 */
export class TrialTable extends LightElement {
  static override properties = {
    view: { attribute: false },
    sort: { attribute: false },
    states: { attribute: false },
    selected: { type: Number },
    now: { type: Number },
    isPrinting: { type: Boolean },
  };
  declare view: StudyView;
  declare sort: Sort;
  declare states: readonly TrialState[];
  declare selected: number | null;
  declare now: number;
  /** On paper there is no scrolling: the first rows are laid out plainly. */
  declare isPrinting: boolean;

  #columns: Column[] = [];
  #rows: TrialView[] = [];
  #active = { row: -1, column: 0 };
  #isFocusWanted = false;
  #virtualizer: Virtualizer<HTMLElement, HTMLElement> | null = null;
  #unmount: (() => void) | null = null;
  #reveal: number | null = null;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unmount?.();
    this.#virtualizer = null;
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has('view') || changed.has('sort') || changed.has('states')) {
      this.#columns = columnsOf(this.view);
      this.#rows = visibleTrials(this.view, this.states, this.sort, this.#columns);
      this.#active = {
        row: Math.min(this.#active.row, this.#rows.length - 1),
        column: Math.min(this.#active.column, this.#columns.length - 1),
      };
      this.#virtualizer?.setOptions({ ...this.#virtualizer.options, count: this.#rows.length });
    }
    if (changed.has('selected') && this.selected !== null) {
      const row = this.#rows.findIndex((trial) => trial.number === this.selected);
      // A row chosen in a chart comes into sight; one chosen here is already.
      if (row !== -1 && row !== this.#active.row) this.#reveal = row;
    }
  }

  protected override render(): TemplateResult {
    const template = `grid-template-columns: ${this.#columns.map((c, i) => (i === this.#columns.length - 1 ? `minmax(${c.width}px, 1fr)` : `${c.width}px`)).join(' ')}`;
    const width = this.#columns.reduce((sum, c) => sum + c.width, 0);
    const items = this.isPrinting
      ? this.#rows.slice(0, nPrinted).map((_, index) => ({ index, start: index * rowHeight }))
      : (this.#virtualizer?.getVirtualItems() ?? []);
    const shownRow =
      this.#active.row === -1 || items.some((item) => item.index === this.#active.row)
        ? this.#active.row
        : (items[0]?.index ?? -1);
    const height = this.isPrinting ? items.length * rowHeight : this.#rows.length * rowHeight;
    return html`
      <div class="grid" role="grid" aria-label="Trials" aria-rowcount=${this.#rows.length + 1} aria-colcount=${this.#columns.length} @keydown=${this.#key} @focusin=${this.#focused}>
        <div class="grid-inner" role="presentation" style="min-width: ${width}px">
          <div class="row head" role="row" aria-rowindex="1" style=${template}>
            ${this.#columns.map((column, c) => this.#header(column, c, shownRow === -1))}
          </div>
          <div class="rows" role="rowgroup" style="height: ${height}px">
            ${items.map(({ index, start }) => {
              const trial = this.#rows[index];
              return trial === undefined ? html`` : this.#row(trial, index, start, template, shownRow === index);
            })}
          </div>
        </div>
      </div>
      ${this.isPrinting && this.#rows.length > nPrinted ? html`<p class="muted">The first ${nPrinted} of ${formatNumber(this.#rows.length)} trials.</p>` : html``}
      ${this.#rows.length === 0 ? html`<p class="empty">${this.view.trials.length === 0 ? "No trial yet. The first one runs the script's own values." : 'No trial is in the states chosen above. Clear the filter to see all.'}</p>` : html``}
    `;
  }

  #header(column: Column, index: number, isActiveRow: boolean): TemplateResult {
    const isSorted = this.sort.key === column.key;
    const order = isSorted ? (this.sort.isDescending ? 'descending' : 'ascending') : 'none';
    return html`<div
      class="cell ${column.isNumeric ? 'numeric' : ''}" role="columnheader" aria-sort=${order} aria-colindex=${index + 1} title=${column.title}
      data-row="-1" data-column=${index} tabindex=${isActiveRow && this.#active.column === index ? 0 : -1} @click=${() => this.#sortBy(column.key)}
    ><span class="cut">${column.title}</span><span class="arrow" aria-hidden="true">${isSorted ? (this.sort.isDescending ? '▾' : '▴') : ''}</span></div>`;
  }

  #row(trial: TrialView, row: number, start: number, template: string, isActiveRow: boolean): TemplateResult {
    const isBest = trial.number === this.view.incumbent;
    return html`<div
      class="row ${isBest ? 'best' : ''}" role="row" aria-rowindex=${row + 2} aria-selected=${trial.number === this.selected}
      data-trial=${trial.number} style="${template}; transform: translateY(${start}px)" @click=${() => this.#select(trial.number)}
    >${this.#columns.map((column, c) => {
      const text = column.text(trial, this.now);
      return html`<div
        class="cell ${column.isNumeric ? 'numeric' : ''}" role="gridcell" aria-colindex=${c + 1} data-row=${row} data-column=${c}
        tabindex=${isActiveRow && this.#active.column === c ? 0 : -1} title=${column.key === 'state' ? whyWaits(trial) : nothing}
      >${column.key === 'state' ? marker(shownState(trial)) : ''}<span class="cut">${text}</span>${column.key === 'number' && isBest ? html`<span class="star" title="Best trial">★</span>` : ''}</div>`;
    })}</div>`;
  }

  protected override firstUpdated(): void {
    const grid = this.querySelector<HTMLElement>('.grid');
    this.#virtualizer = new Virtualizer<HTMLElement, HTMLElement>({
      count: this.#rows.length,
      getScrollElement: () => grid,
      estimateSize: () => rowHeight,
      overscan: 12,
      scrollPaddingStart: rowHeight,
      observeElementRect,
      observeElementOffset,
      scrollToFn: elementScroll,
      onChange: () => this.requestUpdate(),
    });
    this.#unmount = this.#virtualizer._didMount();
    this.#virtualizer._willUpdate();
    this.requestUpdate();
  }

  protected override updated(): void {
    this.#virtualizer?._willUpdate();
    if (this.#reveal !== null && this.#virtualizer !== null) {
      const row = this.#reveal;
      this.#reveal = null;
      this.#show(row);
    }
    if (!this.#isFocusWanted) return;
    const cell = this.querySelector<HTMLElement>(`[data-row="${this.#active.row}"][data-column="${this.#active.column}"]`);
    if (cell === null) return;
    this.#isFocusWanted = false;
    cell.focus({ preventScroll: true });
    cell.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  /** Scrolls inside the grid only: `scrollIntoView` would move the page under the reader's eyes. */
  #show(row: number): void {
    const grid = this.querySelector<HTMLElement>('.grid');
    if (grid === null) return;
    const top = row * rowHeight;
    const space = grid.clientHeight - 2 * rowHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top > grid.scrollTop + space) grid.scrollTop = top - space;
  }

  readonly #focused = (event: FocusEvent): void => {
    const cell = (event.target as HTMLElement).closest<HTMLElement>('[data-row]');
    if (cell === null) return;
    this.#active = { row: Number(cell.dataset['row']), column: Number(cell.dataset['column']) };
  };

  readonly #key = (event: KeyboardEvent): void => {
    const { row, column } = this.#active;
    const lastRow = this.#rows.length - 1;
    const lastColumn = this.#columns.length - 1;
    const page = Math.max(1, Math.floor((this.querySelector<HTMLElement>('.grid')?.clientHeight ?? 0) / rowHeight) - 2);
    const moves: Record<string, readonly [number, number]> = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageDown: [row + page, column],
      PageUp: [Math.max(Math.min(row, 0), row - page), column],
      Home: event.ctrlKey ? [0, 0] : [row, 0],
      End: event.ctrlKey ? [lastRow, lastColumn] : [row, lastColumn],
    };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      this.#active = { row: Math.max(-1, Math.min(lastRow, move[0])), column: Math.max(0, Math.min(lastColumn, move[1])) };
      this.#isFocusWanted = true;
      if (this.#active.row >= 0) this.#show(this.#active.row);
      this.requestUpdate();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      const trial = this.#rows[row];
      if (trial !== undefined) this.#select(trial.number);
      else this.#sortBy(this.#columns[column]?.key ?? 'number');
    }
  };

  #select(trial: number): void {
    this.#active = { ...this.#active, row: this.#rows.findIndex((row) => row.number === trial) };
    this.dispatchEvent(new CustomEvent('trial-selected', { detail: trial, bubbles: true }));
  }

  #sortBy(key: string): void {
    this.dispatchEvent(new CustomEvent('column-clicked', { detail: key, bubbles: true }));
  }
}

/** Rows on paper. */
const nPrinted = 100;

/** In the words of the scheduler or the queue. */
function whyWaits(trial: TrialView): string | typeof nothing {
  const wait = waitOf(trial);
  return wait === null ? nothing : waitText(wait);
}
