import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readProject } from '../preflight/readProject.ts';
import { HpoError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { CommandLine } from './commandLine.ts';
import { diagnosticLines, parameterRows } from './preflightText.ts';
import { formatTable } from './table.ts';

export function spaceCommand(program: Command, line: CommandLine): void {
  program
    .command('space <script>')
    .description('what the annotations say; exit 1 on an error')
    .option('--json', 'print JSON')
    .action((script: string, options: { readonly json?: boolean }) => space(line, script, options.json === true));
}

async function space(line: CommandLine, script: string, isJson: boolean): Promise<void> {
  const { spec, diagnostics } = await readProject(resolve(script));
  if (diagnostics.some(({ severity }) => severity === 'error')) line.exitCode = 1;
  const { fidelity } = spec;
  if (isJson) {
    line.printJson({
      parameters: spec.space.parameters.map(({ name, distribution, default: own, when, sink, site }) => ({
        name,
        distribution,
        default: own,
        when,
        sink,
        site,
      })),
      objectives: spec.objectives.map(({ metric, direction }) => ({ metric, direction })),
      fidelity:
        fidelity === null
          ? null
          : { name: fidelity.name, min: fidelity.min, max: fidelity.max, reductionFactor: fidelity.reductionFactor },
      hash: spec.hash,
      diagnostics: diagnostics.map(({ code, severity, message, file, line: row, column, fix }) => ({
        code,
        severity,
        message,
        file,
        line: row,
        column,
        fix,
      })),
    });
    return;
  }
  const rows = parameterRows(spec);
  if (rows.length > 0) line.print(formatTable([['parameter', 'now', 'range', '', 'where'], ...rows]));
  for (const { metric, direction } of spec.objectives) line.print(`objective ${printable(metric)} ${direction}`);
  if (fidelity !== null)
    line.print(
      `fidelity  ${printable(fidelity.name)} ${fidelity.min} to ${fidelity.max}, reduction factor ${fidelity.reductionFactor}`,
    );
  for (const text of diagnosticLines(diagnostics)) line.note(text);
  if (spec.space.parameters.length === 0 && diagnostics.length === 0) {
    throw new HpoError(
      'HPO-4001',
      `${printable(script)} has no parameter to tune`,
      'put a comment beside a literal, such as: lr = 3e-4  # @hpo float(1e-5, 1e-1, log)',
    );
  }
}
