import type { Command } from 'commander';
import { formatBytes, plural } from '../protocol/format.ts';
import type { Cleaned, CleanReport } from '../protocol/requests.ts';
import type { CommandLine } from './commandLine.ts';
import { formatTable } from './table.ts';

interface CleanOptions {
  readonly dryRun?: boolean;
  readonly images?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function cleanCommand(program: Command, line: CommandLine): void {
  program
    .command('clean')
    .description('free what no study needs any more: containers, stored code, and images by use and size')
    .option('--dry-run', 'only say what would be freed')
    .option('--images', 'free all images that no study uses, whatever the limits')
    .option('--all', 'those, and the images of studies that have ended')
    .option('--json', 'print JSON')
    .action((options: CleanOptions) => clean(line, options));
}

async function clean(line: CommandLine, { dryRun = false, images = false, all = false, json }: CleanOptions): Promise<void> {
  const report = await (await line.agent()).request('agent/clean', { dryRun, images, all });
  if (json === true) line.printJson({ dryRun, ...report });
  else for (const text of cleanText(report, dryRun)) line.print(text);
  if (report.engine === null) return;
  line.exitCode = 1;
  line.note(`containers and images were not looked at: ${report.engine.code}: ${report.engine.message}`);
  line.note(`  next: ${report.engine.next}; then again: hpo clean`);
}

/** What was freed, or would be, and what stays. */
export function cleanText({ freed, kept }: Pick<CleanReport, 'freed' | 'kept'>, isDry: boolean): string[] {
  const rows = (verb: string, things: readonly Cleaned[]): string[] =>
    things.length === 0
      ? []
      : [
          formatTable(
            things.map(({ kind, name, bytes, reason }) => [
              verb,
              kind,
              shortName(name),
              bytes === null ? '' : formatBytes(bytes),
              reason,
            ]),
          ),
        ];
  const bytes = freed.reduce((sum, thing) => sum + (thing.bytes ?? 0), 0);
  const what = ['container', 'attempt', 'snapshot', 'image'].flatMap((kind) => {
    const count = freed.filter((thing) => thing.kind === kind).length;
    return count === 0 ? [] : [plural(count, kind === 'attempt' ? 'ended study' : kind).replace('studys', 'studies')];
  });
  const sum =
    what.length === 0
      ? 'nothing to free'
      : `${isDry ? 'would be freed' : 'freed'}: ${what.join(', ')}${bytes === 0 ? '' : `, up to ${formatBytes(bytes)}`}`;
  return [...rows(isDry ? 'would free' : 'freed', freed), ...rows('keeps', kept), sum];
}

/** Hashes are long, and told apart by their beginning. */
function shortName(name: string): string {
  return /^(?:sha256:)?[0-9a-f]{40,}$/.test(name) ? `${name.slice(0, 19)}…` : name;
}
