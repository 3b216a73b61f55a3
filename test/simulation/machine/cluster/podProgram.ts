import { reportedBytes } from '../../../../agent/executors/kubernetes/podProgram.ts';
import { inputs, podPlaces } from '../../../../agent/executors/kubernetes/places.ts';
import type { MountedDisk } from '../engine/mountedDisk.ts';
import type { Kernel, Process } from '../kernel.ts';
import type { Program, ProgramTime } from '../program.ts';
import { runShim } from '../shim.ts';

export interface PodProgramStart {
  /** As the executor gives them to `pod.sh`. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly program: (command: readonly string[]) => Program | null;
  /** How long one step of the shell takes, in ms. */
  readonly stepMs: () => number;
  /** Where the termination message is written. */
  readonly messagePath: string;
  readonly print: (bytes: Uint8Array) => void;
  /** Kills by the kernel for want of memory in the container so far. */
  readonly kills: () => number;
}

const chunkBytes = 262_144;
const largeBytes = 4_194_304;
const tailBytes = 2_048;
const quickTicks = 30;
const aliveTicks = 30;

/** The arguments of a command line that runs the first process of our pods; null for any other. */
export function podProgramOf(line: readonly string[]): readonly string[] | null {
  const at = line.indexOf(`${podPlaces.input}/${inputs.program}`);
  return at === -1 ? null : line.slice(at + 1);
}

/** What `agent/executors/kubernetes/podProgram.ts` does in POSIX sh, step by step as a kernel sees it, so that it can be killed between any two. */
export function runPodProgram(kernel: Kernel, timeline: ProgramTime, disk: MountedDisk, start: PodProgramStart): Process {
  const [limit = '0', grace = '0', patience = '0', mark = '', limitBytes = '0', link = '', fork = '', count = '0', ...rest] =
    start.args;
  const files = rest.slice(0, Number(count));
  const command = rest.slice(Number(count));
  const { attempt: dir, work, checkpoint, input } = podPlaces;
  const { HPO_POD: nonce = '', ...environment } = start.environment;
  const main = kernel.spawn('pod', null, null);
  // Nothing ends the first process of a namespace that has not said what a signal does.
  main.ignoresTerm = true;
  const outPath = `${dir}/out.log`;
  const exitPath = `${dir}/exit.json`;
  const sent = new Map<string, number>();
  let [total, hasMoved, isTold] = [0, false, false];
  let shim: Process | null = null;
  const then = (ms: number, act: () => void): Disposable => timeline.after(ms, () => main.isAlive && act());
  const print = (text: string): void => start.print(new TextEncoder().encode(text));
  const mostBytes = Number(limitBytes);

  then(start.stepMs(), layOut);
  return main;

  function layOut(): void {
    try {
      const code = `${input}/${inputs.code}`;
      if (disk.stat(code) !== null) copy(code, work);
      else if (disk.stat(podPlaces.code) !== null) copy(podPlaces.code, work);
      const spliced = `${input}/${inputs.spliced}`;
      if (disk.stat(spliced) !== null) copy(spliced, work);
      if (disk.names(checkpoint).length === 0) {
        const own = latest(podPlaces.attempts, Number(environment['HPO_ATTEMPT']));
        const from = own ?? (fork === '' ? null : latest(fork, Infinity));
        if (from !== null) copy(from, checkpoint);
      }
      if (link !== '') {
        const parent = `${work}/${link}`.slice(0, `${work}/${link}`.lastIndexOf('/'));
        disk.makeFolder(parent);
        disk.remove(`${work}/${link}`);
        disk.link(checkpoint, `${work}/${link}`);
      }
    } catch (error) {
      print(`\u001Ehpo ${nonce} fault ${String(error)}\n`);
      disk.writeText(start.messagePath, `${JSON.stringify({ fault: String(error) })}\n`);
      return kernel.end(main, 70);
    }
    then(start.stepMs(), begin);
  }

  function begin(): void {
    main.onTerm = () => {
      isTold = true;
      if (shim !== null) kernel.send(shim.pid, 'SIGTERM');
      then(Number(grace) * 1000, () => {
        for (const { name, pid } of kernel.processes) if (name === 'program') kernel.signalGroup(pid, 'SIGKILL');
      });
    };
    print(`\u001Ehpo ${nonce} begin\n`);
    const begun = runShim(kernel, timeline, disk, {
      args: [dir, limit, grace, mark, '0', limitBytes, ...command],
      environment,
      workFolder: work,
      outputPath: outPath,
      program: start.program,
      stepMs: start.stepMs,
    });
    shim = begun;
    if (isTold) kernel.send(begun.pid, 'SIGTERM');
    const before = start.kills();
    let code: number | null = null;
    begun.onEnd = (ended) => {
      code = ended;
    };
    let [tick, idle] = [0, 0];
    const look = (): void => {
      if (!begun.isAlive || disk.stat(exitPath) !== null) {
        // What waits for the shim.
        if (begun.isAlive) return void then(5, look);
        return finish(code ?? 0, before);
      }
      then(isTold || tick < quickTicks ? 100 : 1_000, () => {
        tick++;
        sendAll();
        idle = hasMoved ? 0 : idle + 1;
        if (idle >= aliveTicks) {
          idle = 0;
          print(`\u001Ehpo ${nonce} alive\n`);
        }
        look();
      });
    };
    then(start.stepMs(), look);
  }

  function finish(code: number, killsBefore: number): void {
    shim = null;
    if (disk.stat(exitPath) === null) for (const { pid } of kernel.processes) if (pid !== main.pid) kernel.send(pid, 'SIGKILL');
    main.ignoresTerm = false;
    main.onTerm = () => kernel.end(main, 143);
    const exit = disk.stat(exitPath) === null ? 'null' : disk.readText(exitPath).trim();
    sendAll();
    const kills = start.kills() - killsBefore;
    const end = `{"out":${sent.get('out') ?? 0},"metrics":${sent.get('metrics') ?? 0},"kills":${kills},"shim":${code},"exit":${exit}}`;
    const size = disk.stat(outPath)?.size ?? 0;
    const tail = Buffer.from(disk.readFrom(outPath, Math.max(0, size - tailBytes), tailBytes)).toString('latin1');
    const metrics = disk.stat(`${dir}/metrics.jsonl`) === null ? '' : disk.readText(`${dir}/metrics.jsonl`);
    const last = metrics.length <= reportedBytes ? metrics : metrics.slice(-reportedBytes).replace(/^.*\n/, '');
    // oxlint-disable-next-line no-control-regex -- what is shown of them is a question mark
    const shown = tail.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u00FF]/g, '?');
    disk.writeText(start.messagePath, `${end}\n${Buffer.byteLength(last)}\n${last}${shown}`);
    then(start.stepMs(), () => {
      print(`\u001Ehpo ${nonce} end ${end}\n`);
      const ended = /^.*"code":(\d+)/.exec(exit)?.[1] ?? '1';
      then(total > largeBytes ? Number(patience) * 1000 : start.stepMs(), () => kernel.end(main, Number(ended)));
    });
  }

  function sendAll(): void {
    hasMoved = false;
    send('out', outPath, mostBytes + 1);
    send('metrics', `${dir}/metrics.jsonl`, mostBytes + 1);
    for (const file of files) send(`work/${file}`, `${work}/${file}`, 2 ** 30);
  }

  function send(name: string, path: string, most: number): void {
    for (;;) {
      const at = sent.get(name) ?? 0;
      const bytes = disk.readFrom(path, at, Math.min(chunkBytes, most - at));
      if (bytes.length === 0) return;
      start.print(
        Buffer.concat([Buffer.from(`\u001Ehpo ${nonce} bytes ${at} ${bytes.length} ${name}\n`), bytes, Buffer.from('\n')]),
      );
      sent.set(name, at + bytes.length);
      total += bytes.length;
      hasMoved = true;
      if (bytes.length < chunkBytes) return;
    }
  }

  function latest(folder: string, before: number): string | null {
    if (disk.stat(folder) === null) return null;
    const numbers = disk.names(folder).flatMap((name) => {
      const number = Number(/^a(\d+)$/.exec(name)?.[1] ?? NaN);
      return number < before && disk.names(`${folder}/${name}`).length > 0 ? [number] : [];
    });
    return numbers.length === 0 ? null : `${folder}/a${Math.max(...numbers)}`;
  }

  function copy(from: string, to: string): void {
    if (disk.stat(to) === null) disk.makeFolder(to);
    for (const name of disk.names(from)) {
      const path = `${from}/${name}`;
      if (disk.stat(path)?.isFolder === true) copy(path, `${to}/${name}`);
      else disk.writeText(`${to}/${name}`, disk.readText(path));
    }
  }
}
