import { type Command, Option } from 'commander';
import { type Explanation, explainStudy, type Importance, type Marginal } from '../core/analysis/index.ts';
import { formatNumber, formatValue } from '../protocol/format.ts';
import { printable } from '../protocol/printable.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';
import { formatTable } from './table.ts';

interface ExplainOptions {
  readonly json?: boolean;
  readonly method: Importance['method'];
}

export function explainCommand(program: Command, line: CommandLine): void {
  program
    .command('explain <study>')
    .description('which parameters matter, where the best values lie, what to change next, and whether to go on')
    .addOption(
      new Option('--method <name>', 'how importance is measured: for the best tenth, or over the whole space')
        .choices(['ped-anova', 'fanova'])
        .default('ped-anova'),
    )
    .option('--json', 'print JSON')
    .action(async (study: string, { json, method }: ExplainOptions) => {
      const view = await viewOf(line, study);
      const explanations = explainStudy(view, method);
      if (json === true) line.printJson({ studyId: view.studyId, objectives: explanations });
      else line.print(explanations.map(explanationText).join('\n\n'));
    });
}

/** One objective for people: four short parts. */
export function explanationText(explanation: Explanation): string {
  const { objective, summary, importance, marginals, region, stop } = explanation;
  const metric = printable(objective.metric);
  const changes = region.map(({ text }) => `  ${printable(text)}`);
  return [
    ...importanceLines(importance, metric),
    `  (${printable(summary)})`,
    ...(marginals.length === 0
      ? []
      : ['', `${metric}, averaged over all other parameters`, marginalTable(marginals, objective.direction)]),
    '',
    'The space of the next study',
    ...(changes.length > 0 ? changes : ['  The trials do not speak clearly for a change.']),
    '',
    'Going on',
    `  ${printable(stop.text)}`,
  ].join('\n');
}

const barWidth = 24;

function importanceLines({ method, parameters, pairs, problem }: Importance, metric: string): string[] {
  const isWhole = method === 'fanova';
  const head = isWhole
    ? `Importance: parts of the variance of ${metric} over the whole space (fANOVA)`
    : `Importance for reaching the best tenth of ${metric} (PED-ANOVA)`;
  if (problem !== null) return [head, `  ${printable(problem)}`];
  const largest = parameters[0]?.share ?? 0;
  const rows = parameters.map(({ name, share }) => [
    `  ${printable(name)}`,
    percent(share).padStart(5),
    '█'.repeat(largest > 0 ? Math.round((barWidth * share) / largest) : 0),
  ]);
  const shownPairs = pairs
    .filter(({ share }) => share >= 0.01)
    .slice(0, 3)
    .map(({ names, share }) => `  ${printable(names.join(' with '))}: ${percent(share)} more together`);
  return [head, formatTable(rows), ...shownPairs];
}

function percent(share: number): string {
  return share > 0 && share < 0.01 ? '< 1 %' : `${Math.round(100 * share)} %`;
}

/** Where the curve of each parameter is best and worst; one that differs by less than its uncertainty is called flat. */
function marginalTable(marginals: readonly Marginal[], direction: 'min' | 'max'): string {
  const sign = direction === 'min' ? 1 : -1;
  return formatTable(
    marginals.flatMap(({ name, points }) => {
      const sorted = points.toSorted((a, b) => sign * (a.mean - b.mean));
      const [best, worst] = [sorted[0], sorted.at(-1)];
      if (best === undefined || worst === undefined) return [];
      const isFlat = Math.abs(best.mean - worst.mean) <= best.deviation + worst.deviation;
      const text = (point: typeof best): string => `${formatNumber(point.mean, 3)} at ${printable(formatValue(point.value, 2))}`;
      return [
        [
          `  ${printable(name)}`,
          isFlat ? 'no clear difference' : `best about ${text(best)}`,
          isFlat ? '' : `worst about ${text(worst)}`,
        ],
      ];
    }),
  );
}
