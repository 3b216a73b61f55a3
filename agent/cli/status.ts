import type { Command } from 'commander';
import { formatMetric, formatNumber, formatParams } from '../protocol/format.ts';
import { formatMoney, gpuHours } from '../protocol/metered.ts';
import { printable } from '../protocol/printable.ts';
import type { StudySummary } from '../protocol/requests.ts';
import { waitLine } from '../protocol/waits.ts';
import type { CommandLine } from './commandLine.ts';
import { findStudy } from './findStudy.ts';
import { localTime } from './localTime.ts';
import { howToGoOn } from './pausedText.ts';

export function statusCommand(program: Command, line: CommandLine): void {
  program
    .command('status [study]')
    .description('all studies, or one')
    .option('--json', 'print JSON')
    .action((study: string | undefined, options: { readonly json?: boolean }) => status(line, study, options.json === true));
}

async function status(line: CommandLine, study: string | undefined, isJson: boolean): Promise<void> {
  const { studies } = await (await line.agent()).request('study/list', {});
  const shown = study === undefined ? studies : [findStudy(studies, study)];
  for (const summary of shown) {
    const { studyId, name, state, trials: counts, best: bestTrial, budget, executor, createdAt } = summary;
    if (isJson) {
      const { message, failure, cluster, waits, movedTo } = summary;
      const where = { executor, cluster, waits, movedTo };
      line.printJson({
        studyId,
        name,
        state,
        trials: counts,
        best: bestTrial,
        budget,
        used: summary.used,
        ...where,
        createdAt,
        message,
        failure,
      });
      continue;
    }
    const done = counts.complete + counts.pruned + counts.failed + counts.infeasible + counts.cancelled;
    line.print(
      `${line.style('bold', studyId)}  ${state}${summary.endReason === null ? '' : ` (${summary.endReason})`}${summary.movedTo === null ? '' : ', moved'}  ${done}/${budget.trials ?? '∞'} trials  ${localTime(createdAt)}  ${printable(summary.script ?? name)}`,
    );
    const states = Object.entries(counts).filter(([, count]) => count > 0);
    if (states.length > 0) line.print(`  ${states.map(([word, count]) => `${count} ${word}`).join(', ')}`);
    if (bestTrial !== null) {
      const values = Object.entries(bestTrial.values).map(([metric, value]) => `${printable(metric)} ${formatMetric(value)}`);
      line.print(`  best: trial ${bestTrial.number}  ${values.join('  ')}  ${printable(formatParams(bestTrial.params))}`);
    }
    const used = usedText(summary);
    if (used !== '') line.print(`  used: ${used}`);
    if (summary.movedTo !== null)
      line.print(`  as it was when it moved to ${printable(summary.movedTo)}: the agent there acts on it`);
    if (summary.cluster !== null) line.print(`  on Kubernetes: ${printable(summary.cluster)}`);
    if (summary.image !== null) line.print(`  ${summary.cluster === null ? 'in Docker' : 'in'}: ${printable(summary.image)}`);
    for (const wait of summary.movedTo === null ? summary.waits : []) line.print(`  ${printable(waitLine(wait))}`);
    if (summary.leftOut !== null) line.print(`  ${printable(summary.leftOut)}`);
    if (summary.message !== '') line.print(`  ${printable(summary.message)}`);
    if (summary.failure !== null) {
      const { script, failure } = summary;
      for (const text of howToGoOn({ studyId, script, failure, nFailed: counts.failed })) line.print(`  ${printable(text)}`);
    }
  }
  if (shown.length === 0 && !isJson) line.note('no studies yet; start one with: hpo tune SCRIPT');
}

/** What counts for a budget and is not told by the trials; empty for nothing. */
function usedText({ used, budget }: StudySummary): string {
  const { cost, gpuMs } = budget;
  const money = used.cost === null ? null : formatMoney(used.cost) + (cost === undefined ? '' : ` of ${formatMoney(cost)}`);
  const limit = gpuMs === undefined ? '' : ` of ${formatNumber(gpuHours(gpuMs))}`;
  const gpus = used.gpuHours === 0 && gpuMs === undefined ? null : `${formatNumber(used.gpuHours, 3)}${limit} GPU hours`;
  return [money, gpus].filter((text) => text !== null).join(', ');
}
