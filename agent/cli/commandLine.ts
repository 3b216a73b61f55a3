import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';
import { type AgentClient, connectAgent, defaultHome } from '../client/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { printable, printableJson } from '../protocol/printable.ts';
import { version } from '../version.ts';

/** An agent on another machine. */
export interface RemoteAgent extends AsyncDisposable {
  /** For people. */
  readonly place: string;
  /** Name of the cluster's profile. */
  readonly cluster: string;
  connect(): Promise<AgentClient>;
  /** Carries bytes between a client of its own and the agent; resolves when either has ended. */
  carry(input: Readable, output: Writable): Promise<void>;
}

type Style = Parameters<typeof styleText>[0];

/**
 * What every command needs: the two streams, the agent, and one way to fail. Text for people goes through `print`,
 * `note` and `redraw` alone, which let no control character of anybody else through to the terminal.
 */
export class CommandLine {
  /** 0 done, 1 the study or input failed, 2 wrong usage, 3 not found, 4 preflight failed, 130 interrupted. */
  exitCode = 0;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly home: string;
  #client: AgentClient | null = null;
  #remote: RemoteAgent | null = null;
  #remoteClient: AgentClient | null = null;
  /** Stands for the ESC of our own colours until they are written. Drawn anew each time, so that no other text can hold it. */
  readonly #escape = `\ue000${randomBytes(9).toString('hex')}`;

  constructor(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.home = defaultHome(env);
    // A reader that had enough (`hpo trials X | head`) is not an error.
    stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  }

  /** The agent that the command is for; that of this machine is started where none runs. */
  async agent(): Promise<AgentClient> {
    return await (this.#remote === null ? this.localAgent() : this.#remoteAgent(this.#remote));
  }

  /** The agent of this machine; started where none runs. */
  async localAgent(): Promise<AgentClient> {
    this.#client ??= await this.#connect(true);
    return this.#client;
  }

  /** The agent that the command is for, if it runs, else null. */
  async runningAgent(): Promise<AgentClient | null> {
    if (this.#remote !== null) return await this.#remoteAgent(this.#remote);
    try {
      this.#client ??= await this.#connect(false);
      return this.#client;
    } catch (error) {
      if (error instanceof HpoError && error.code === 'HPO-5001') return null;
      throw error;
    }
  }

  /** From now on commands are for an agent elsewhere. */
  useAgent(remote: RemoteAgent): void {
    this.#remote = remote;
  }

  /** Where the agent is that commands are for; null for that of this machine. */
  get remoteAgent(): RemoteAgent | null {
    return this.#remote;
  }

  /** Called when a command lost the connection and goes on with a new one. */
  forgetAgent(): void {
    if (this.#remote === null) this.#client = null;
    else this.#remoteClient = null;
  }

  async close(): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
    await this.#remoteClient?.[Symbol.asyncDispose]();
    await this.#remote?.[Symbol.asyncDispose]();
  }

  /** A line of the answer. */
  print(text: string): void {
    this.stdout.write(`${this.#shown(text)}\n`);
  }

  printJson(value: unknown): void {
    this.stdout.write(`${printableJson(value)}\n`);
  }

  /** Text of others, such as what a program printed: byte for byte into a pipe or a file, printable where a person reads. */
  pass(text: string): void {
    this.stdout.write(this.stdout.isTTY ? printable(text) : text);
  }

  /** The answer as it is, to a file where one is named. */
  async deliver(content: string, file: string | undefined): Promise<void> {
    if (file === undefined) {
      this.pass(content);
      return;
    }
    await writeFile(resolve(file), content).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HpoError(
        'HPO-4027',
        `${resolve(file)} could not be written: ${reason}`,
        'name a file in a folder that exists and that you may write to',
        {
          cause,
        },
      );
    });
    this.note(`written: ${resolve(file)}`);
  }

  /** A line of progress or advice. */
  note(text: string): void {
    this.stderr.write(`${this.#shown(text)}\n`);
  }

  /** Replaces the terminal's last line, which `redraw` wrote, if there is one; empty takes it away. */
  redraw(text: string): void {
    this.stderr.write(`\r\u001b[2K${this.#shown(text)}`);
  }

  /** Colours only where a person sees them; NO_COLOR is respected. */
  style(style: Style, text: string, stream: NodeJS.WriteStream = this.stdout): string {
    return styleText(style, printable(text), { stream }).replaceAll('\u001b', this.#escape);
  }

  #shown(text: string): string {
    return printable(text).replaceAll(this.#escape, '\u001b');
  }

  /** Says what, why and what next; returns the exit code. */
  fail(error: unknown): number {
    if (error instanceof HpoError) {
      this.note(`${this.style('red', 'error', this.stderr)} ${error.code}: ${error.message}`);
      this.note(`  ${this.style('bold', 'next', this.stderr)}: ${error.next}`);
      return error.exitCode;
    }
    this.note(
      `${this.style('red', 'error', this.stderr)} HPO-9000: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    this.note('  next: this is a fault of hpo itself; please report it with the text above');
    return 1;
  }

  async #connect(start: boolean): Promise<AgentClient> {
    const client = await connectAgent({
      home: this.home,
      agentMain: agentBundle(),
      node: process.execPath,
      client: 'cli',
      version,
      start,
    });
    return this.#listening(client);
  }

  async #remoteAgent(remote: RemoteAgent): Promise<AgentClient> {
    this.#remoteClient ??= this.#listening(await remote.connect());
    return this.#remoteClient;
  }

  #listening(client: AgentClient): AgentClient {
    client.onProgress((message) => this.note(this.style('dim', `· ${message}`, this.stderr)));
    return client;
  }
}

/** `agent.cjs` lies beside the command line's own bundle. */
export function agentBundle(): string {
  const path = join(import.meta.dirname, 'agent.cjs');
  if (existsSync(path)) return path;
  throw new HpoError('HPO-5008', `the agent's program is not at ${path}`, 'build it: npm run build');
}
