import { droppedOf, droppedText } from '../protocol/dropped.ts';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { explainStudy } from '../core/analysis/index.ts';
import type { StudyView } from '../protocol/view.ts';
import { renderReport } from '../report/index.ts';
import type { CommandLine } from './commandLine.ts';
import { explanationText } from './explain.ts';
import { viewOf } from './findStudy.ts';

export function reportCommand(program: Command, line: CommandLine): void {
  program
    .command('report <study>')
    .description('a self-contained HTML page with plots')
    .requiredOption('-o, --output <file>', 'the file to write')
    .action(async (study: string, options: { readonly output: string }) =>
      line.deliver(await reportHtml(await viewOf(line, study)), options.output),
    );
}

/** One self-contained page with the panel's charts and what `hpo explain` says; opens offline. */
export async function reportHtml(view: StudyView): Promise<string> {
  // The page's program lies beside the command line's bundle, its style in media/.
  const script = await readFile(join(import.meta.dirname, 'webview.js'), 'utf8');
  const style = await readFile(join(import.meta.dirname, '..', 'media', 'panel.css'), 'utf8');
  const findings = view.trials.length === 0 ? [] : explainStudy(view, 'ped-anova').map(explanationText);
  const dropped = droppedOf(view);
  if (dropped !== null) findings.push(`${droppedText(dropped.all, view.spec.limits)}.`);
  return renderReport(view, script, style, findings.join('\n\n'));
}
