import type { Kernel, Process } from './kernel.ts';
import { type Program, type ProgramDisk, type ProgramTime, runProgram } from './program.ts';

export interface ShimStart {
  /** As the executor gives them: folder, deadline, grace, mark, kernel kills, most bytes of output, program and its arguments. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workFolder: string;
  readonly outputPath: string;
  readonly program: (args: readonly string[]) => Program | null;
  /** How long one step of the shell takes, in ms. */
  readonly stepMs: () => number;
}

/** What `agent/executors/attempt/shim.ts` does in POSIX sh, step by step as a kernel sees it, so that it can be killed between any two. */
export function runShim(kernel: Kernel, timeline: ProgramTime, disk: ProgramDisk, start: ShimStart): Process {
  const [dir = '', limit = '0', grace = '0', mark = '', oom = '0', mostBytes = '0', ...command] = start.args;
  const most = Number(mostBytes);
  const metricsPath = `${dir}/metrics.jsonl`;
  const output = disk.create(start.outputPath, true);
  const shim = kernel.spawn('shim', null, null);
  const identity = { shim: shim.pid, shimTicks: shim.ticks, boot: kernel.boot };
  let isTold = false;
  /** Steps one after the other, until the shim is killed. */
  const then = (ms: number, act: () => void): void => void timeline.after(ms, () => shim.isAlive && act());
  const record = (name: string, text: string, next: () => void): void => {
    try {
      disk.writeText(`${dir}/${name}.new`, `${text}\n`);
    } catch {
      return next();
    }
    then(start.stepMs(), () => {
      disk.rename(`${dir}/${name}.new`, `${dir}/${name}`);
      next();
    });
  };

  // As any interpreter: a signal before the trap is set ends it.
  then(start.stepMs(), claim);
  return shim;

  function claim(): void {
    if (disk.stat(`${dir}/claim.json`, false) !== null) return kernel.end(shim, 75);
    try {
      disk.writeText(`${dir}/claim.json`, `${JSON.stringify(identity)}\n`);
    } catch {
      return kernel.end(shim, 75);
    }
    then(start.stepMs(), begin);
  }

  function begin(): void {
    const [name = '', ...args] = command;
    const program = start.program([name, ...args]) ?? missing(name);
    const process = runProgram(kernel, timeline, disk, {
      program,
      args,
      environment: start.environment,
      folder: start.workFolder,
      output,
      outputPath: start.outputPath,
      mark,
      parentGroup: shim.group,
    });
    // Nobody but the shim hears of its end; a program that ends before it listens is a zombie until then.
    let code: number | null = null;
    process.onEnd = (ended) => {
      code = ended;
    };
    const pids = { ...identity, pid: process.pid, pidTicks: process.ticks, oom: Number(oom) };
    then(start.stepMs(), () =>
      record('start.json', JSON.stringify(pids), () => {
        shim.onTerm = () => {
          isTold = true;
          kernel.signalGroup(process.group, 'SIGTERM');
        };
        const watches = startWatches(process);
        const onEnd = (ended: number): void =>
          then(start.stepMs(), () => {
            for (const watch of watches) watch[Symbol.dispose]();
            finish(process, ended);
          });
        if (code === null) process.onEnd = onEnd;
        else onEnd(code);
      }),
    );
  }

  /** The processes beside the shim that end the tree at the deadline or when it prints too much. */
  function startWatches(process: Process): Disposable[] {
    const endTree = (): void => {
      if (!shim.isAlive || !process.isAlive) return;
      if (!kernel.signalGroup(process.pid, 'SIGTERM')) kernel.send(process.pid, 'SIGTERM');
      timeline.after(Number(grace) * 1000, () => {
        if (shim.isAlive && process.isAlive) kernel.signalGroup(process.pid, 'SIGKILL');
      });
    };
    const deadline = timeline.after(limit === '0' ? Infinity : Number(limit) * 1000, () => {
      if (!shim.isAlive || !process.isAlive) return;
      try {
        disk.writeText(`${dir}/timeout`, '');
      } catch {
        // The end is then not taken for a timeout.
      }
      endTree();
    });
    let [pauseMs, size, isAsked] = [100, 0, false];
    let flood = planFlood();
    return [deadline, { [Symbol.dispose]: () => flood[Symbol.dispose]() }];

    function planFlood(): Disposable {
      return timeline.after(pauseMs, () => {
        if (!shim.isAlive || !process.isAlive) return;
        const last = size;
        size = Math.max(output.size, disk.stat(metricsPath)?.size ?? 0);
        if (size > most) {
          pauseMs = 100;
          if (size > 2 * most) kernel.signalGroup(process.pid, 'SIGKILL');
          else if (!isAsked) endTree();
          isAsked = true;
        } else if (size + 20 * (size - last) > most) pauseMs = 100;
        else pauseMs = pauseMs === 100 ? 300 : pauseMs === 300 ? 1_000 : 2_000;
        flood = planFlood();
      });
    }
  }

  function finish(process: Process, code: number): void {
    shim.ignoresTerm = true;
    shim.onTerm = null;
    const isTimeout = disk.stat(`${dir}/timeout`) !== null;
    const sweep = (left: number): void => {
      if (left > 0 && kernel.signalGroup(process.pid, '')) return then(50, () => sweep(left - 1));
      kernel.signalGroup(process.pid, 'SIGKILL');
      if (isTimeout) for (const other of kernel.processes) if (other.mark === mark) kernel.send(other.pid, 'SIGKILL');
      for (const path of [metricsPath, start.outputPath]) if ((disk.stat(path)?.size ?? 0) > most) disk.truncate(path, most + 1);
      record('exit.json', JSON.stringify({ code, timeout: isTimeout, told: isTold, output: output.size }), () =>
        then(start.stepMs(), () => kernel.end(shim, 0)),
      );
    };
    sweep(kernel.signalGroup(process.pid, 'SIGTERM') ? 10 : 0);
  }
}

/** As setsid says it. */
function missing(name: string): Program {
  // oxlint-disable-next-line require-yield -- it ends at once
  return function* notFound(self) {
    self.print(`setsid: failed to execute ${name}: No such file or directory\n`);
    return 127;
  };
}
