import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { StudyView } from '../protocol/view.ts';
import { renderReport } from '../report/index.ts';
import type { CommandLine } from './commandLine.ts';
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

/** One self-contained page with the panel's charts; opens offline. */
export async function reportHtml(view: StudyView): Promise<string> {
  // The page's program lies beside the command line's bundle, its style in media/.
  const script = await readFile(join(import.meta.dirname, 'webview.js'), 'utf8');
  const style = await readFile(join(import.meta.dirname, '..', 'media', 'panel.css'), 'utf8');
  return renderReport(view, script, style);
}
