import { spawn, spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { CommandLine } from '../../../agent/cli/commandLine.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import { hostilePayloads, linePayloads } from '../../support/hostilePayloads.ts';
import { Hpo, cliMain } from '../../support/hpo.ts';

/** Bytes and characters that a terminal obeys, but for tabs and ends of lines. A terminal itself writes CR before each LF. */
const obeyed = /(?!\t|\r*\n)\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
/** Colours and the progress bar's own line, the only sequences that are ours. */
// oxlint-disable-next-line no-control-regex -- what is looked for
const ours = /\u001b\[\d{1,3}m|\r\u001b\[2K/g;

describe('a stream of the command line', () => {
  /** A terminal with colours that keeps what is written. */
  function terminal(): { readonly stream: NodeJS.WriteStream; readonly text: () => string } {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80, getColorDepth: () => 24, hasColors: () => true });
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { stream: stream as unknown as NodeJS.WriteStream, text: () => text }; // all of a terminal that is used
  }

  it.each([
    ['an answer', (line: CommandLine, text: string) => line.print(text)],
    ['a note', (line: CommandLine, text: string) => line.note(text)],
    ['something with a colour', (line: CommandLine, text: string) => line.note(line.style('red', text, line.stderr))],
    ['the line of the progress', (line: CommandLine, text: string) => line.redraw(text)],
    ['JSON', (line: CommandLine, text: string) => line.printJson({ [text]: text })],
    ['what a program printed', (line: CommandLine, text: string) => line.pass(text)],
    ['an error', (line: CommandLine, text: string) => line.fail(new HpoError('HPO-4001', text, text))],
    ['a fault', (line: CommandLine, text: string) => line.fail(new Error(text))],
  ])('shows every hostile text as text: %s', (_what, write) => {
    const [stdout, stderr] = [terminal(), terminal()];
    const line = new CommandLine(stdout.stream, stderr.stream, {});
    for (const text of hostilePayloads) write(line, text);
    const written = stdout.text() + stderr.text();
    expect(written.length).toBeGreaterThan(hostilePayloads.length * 10);
    expect(obeyed.exec(written.replace(ours, ''))).toBeNull();
  });

  it('has our own colours, and not those of a text', () => {
    const { stream, text } = terminal();
    const line = new CommandLine(stream, stream, {});
    line.print(`${line.style('red', 'ours')} \u001b[31mtheirs`);
    expect(text()).toBe('\u001b[31mours\u001b[39m \\u{1b}[31mtheirs\n');
  });
});

/** Prints all of them, and fails with some: most trials as a program would, one by a traceback. */
const script = `# @hpo.objective loss min
# @hpo.search sampler=random seed=1
import json, sys
payloads = json.load(open("payloads.json"))
x = 0.5  # @hpo float(0, 1)
kind = "plain"  # @hpo choice("plain", CHOICES)
for text in payloads:
    print(text + " loss=" + str(x))
    sys.stderr.write(text + "=1\\n")
sys.stdout.flush()
if x > 0.6:
    raise ValueError(payloads[int(x * 1000) % len(payloads)] + "\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\rcomplete\\u202e")
print("loss=%f" % x)
`;

/** Runs a command at a pseudo-terminal, as a person does: what it wrote there, and its exit code. */
const atTerminal = `import os, pty, sys
sys.stdout.flush()
status = pty.spawn(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(status))
`;

describe.skipIf(process.platform === 'win32')('every command at a terminal', () => {
  it('obeys no text of the script, its names, its output and its errors', async () => {
    await using hpo = new Hpo();
    const env = { ...process.env, HPO_HOME: hpo.home, HPO_CACHE: `${hpo.folder}/cache`, TERM: 'xterm-256color', COLUMNS: '200' };
    // A terminal of a person, wherever the tests run.
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'CI']) delete (env as NodeJS.ProcessEnv)[name];
    const atTty = (...args: readonly string[]): Promise<{ code: number | null; text: string }> =>
      new Promise((resolve) => {
        const child = spawn('python3', ['-c', atTerminal, process.execPath, cliMain, ...args], { cwd: hpo.project, env });
        let text = '';
        child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
        child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
        child.stdin.end();
        child.once('close', (code) => resolve({ code, text }));
      });
    const choices = ['\u001b[2Jred', '\u009b31m', 'a\rb', '\u202egnp', '\u001b]0;t\u0007'];
    hpo.write('payloads.json', JSON.stringify(linePayloads));
    // A name with all that a name of a file can have.
    const name = 'tr\u001b]0;t\u0007a\u009b31m\u202ein\r\u001b[2J.py';
    hpo.write(name, script.replace('CHOICES', choices.map((text) => JSON.stringify(text)).join(', ')));
    hpo.write('faulty.py', `lr = 0.5  # @hpo flo\u001b[2Jat(0, 1)\n# @hpo.obj\u009b31mective \u202eloss min\n`);

    const wrong: string[] = [];
    const check = async (...args: readonly string[]): Promise<string> => {
      const { text } = await atTty(...args);
      const left = text.replace(ours, '');
      const found = obeyed.exec(left);
      if (found !== null)
        wrong.push(`hpo ${args.join(' ')}: ${JSON.stringify(left.slice(Math.max(0, found.index - 60), found.index + 30))}`);
      if (text === '') wrong.push(`hpo ${args.join(' ')} said nothing`);
      return text;
    };
    expect(await check('space', name)).toContain('kind');
    await check('space', 'faulty.py');
    await check('preview', name);
    const tuned = await check('tune', name, '-n', '8');
    expect(tuned).toContain('\u001b[31m');
    expect(tuned).toContain('\\u{1b}');
    const [study] = await hpo.json<{ studyId: string; trials: { failed: number; complete: number } }>('status');
    const studyId = study?.studyId ?? '';
    expect(study?.trials.failed).toBeGreaterThan(0);
    expect(study?.trials.complete).toBeGreaterThan(0);
    const commands: readonly (readonly string[])[] = [
      ['status', studyId],
      ['trials', studyId],
      ['trials', studyId, '--json'],
      ['best', studyId],
      ['explain', studyId],
      ['logs', studyId],
      ['export', studyId, '--format', 'csv'],
      ['export', studyId, '--format', 'json'],
      ['status', '\u001b[2J\u009b31m\u202e'],
      ['logs', studyId, '\u001b]0;t\u0007'],
      ['tune', 'none\u001b[2J.py'],
      ['\u001b[2J\u202e'],
      ['tune', name, '--budget', '\u009b31m=1'],
      ['agent', 'status'],
    ];
    await Promise.all(commands.map((args) => check(...args)));
    expect(wrong).toEqual([]);

    // The same into a pipe: JSON says the same values, and a log is what was printed, byte by byte.
    const trials = await hpo.json<{ params: { kind: string } }>('trials', studyId);
    expect(['plain', ...choices]).toContain(trials[1]?.params.kind);
    const { stdout } = await hpo.run('logs', studyId, '0');
    for (const text of linePayloads) expect(stdout).toContain(text);
    expect(JSON.parse((await hpo.run('export', studyId, '--format', 'json')).stdout)).toMatchObject({ studyId });
  });

  it('is a check that can fail', () => {
    const { stdout } = spawnSync('python3', ['-c', atTerminal, 'printf', 'a\\033[2Jb\\n'], { input: '', encoding: 'utf8' });
    expect(obeyed.exec(stdout.replace(ours, ''))?.[0]).toBe('\u001b');
  });
});
