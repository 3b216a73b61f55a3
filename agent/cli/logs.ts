import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { AgentClient } from '../client/index.ts';
import { stripAnsi } from '../metrics/ansi.ts';
import { printable } from '../protocol/printable.ts';
import type { AttemptKey } from '../protocol/study.ts';
import type { CommandLine } from './commandLine.ts';
import { findStudy, findStudyId } from './findStudy.ts';
import { attemptNumber, trialNumber } from './numbers.ts';

const followMs = 300;

export function logsCommand(program: Command, line: CommandLine): void {
  program
    .command('logs <study> [trial]')
    .description('what the trials printed, each in its latest attempt')
    .option('--follow', 'go on until the end')
    .option('--attempt <number>', 'an earlier attempt of the trial, the first one is 1')
    .action((study: string, trial: string | undefined, options: LogsOptions) => logs(line, study, trial, options));
}

interface LogsOptions {
  readonly follow?: boolean;
  readonly attempt?: string;
}

async function logs(line: CommandLine, study: string, trial: string | undefined, options: LogsOptions): Promise<void> {
  const isFollowing = options.follow === true;
  const client = await line.agent();
  const studyId = await findStudyId(client, study);
  const number = trial === undefined ? null : trialNumber(trial, studyId);
  const attempt = options.attempt === undefined ? null : attemptNumber(options.attempt, studyId, number);
  const { leftOut } = findStudy((await client.request('study/list', {})).studies, studyId);
  if (leftOut !== null) line.note(`${printable(leftOut)}; the logs have everything`);
  const readers = new Map<number, LogReader>();
  for (;;) {
    const { studies } = await client.request('study/list', {});
    const summary = findStudy(studies, studyId);
    const nTrials = Object.values(summary.trials).reduce((sum, count) => sum + count, 0);
    const numbers = number === null ? Array.from({ length: nTrials }, (_, known) => known) : [number];
    let isOver = number !== null || summary.state === 'ended';
    for (const known of numbers) {
      const reader =
        readers.get(known) ?? new LogReader(client, { studyId, trial: known, attempt }, number === null ? `[${known}] ` : '');
      readers.set(known, reader);
      await reader.drain((text) => line.pass(line.stdout.isTTY ? terminalText(text) : text));
      isOver &&= reader.isOver;
    }
    if (isOver || !isFollowing) return;
    await delay(followMs);
  }
}

/** For a terminal: without colours, and with every state of a progress bar in a line of its own. */
function terminalText(text: string): string {
  return stripAnsi(text).replaceAll(/\r(?!\n)/g, '\n');
}

/** Null: the latest. */
type Shown = Omit<AttemptKey, 'attempt'> & { readonly attempt: number | null };

/** The output of one attempt of a trial, from where the last call ended. */
class LogReader {
  isOver = false;
  readonly #client: AgentClient;
  readonly #shown: Shown;
  readonly #prefix: string;
  #offset = 0;
  #rest = '';

  constructor(client: AgentClient, shown: Shown, prefix: string) {
    this.#client = client;
    this.#shown = shown;
    this.#prefix = prefix;
  }

  async drain(write: (text: string) => void): Promise<void> {
    const { attempt, ...trial } = this.#shown;
    while (!this.isOver) {
      const params = { ...trial, ...(attempt === null ? {} : { attempt }), offset: this.#offset };
      const page = await this.#client.request('trial/log', params);
      this.#offset = page.nextOffset;
      this.#write(page.text, page.ended, write);
      this.isOver = page.ended;
      if (page.text === '') return;
    }
  }

  /** With a prefix, whole lines only: lines of several trials must not mix. */
  #write(text: string, isLast: boolean, write: (text: string) => void): void {
    if (this.#prefix === '') {
      write(text);
      return;
    }
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (isLast && this.#rest !== '') lines.push(this.#rest);
    if (lines.length > 0) write(`${lines.map((content) => this.#prefix + content).join('\n')}\n`);
  }
}
