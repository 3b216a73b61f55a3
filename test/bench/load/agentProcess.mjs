import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentNodeArgs, connectAgent } from '../../../agent/client/connectAgent.ts';
import { version } from '../../../agent/version.ts';

const sampleMs = 250;

/** A real agent of one home, whose memory is looked at all the time. */
export class AgentProcess {
  /** Resident memory in MB over time: `[ms since the start, MB]`. */
  samples = [];
  maxMb = 0;

  constructor(dist, home) {
    this.dist = dist;
    this.home = home;
  }

  /** Starts the agent; resolves when it has answered its first request, with the milliseconds since the start. */
  async start() {
    const startedAt = performance.now();
    const env = { ...process.env, HPO_HOME: this.home, XDG_RUNTIME_DIR: join(this.home, 'run') };
    process.env.XDG_RUNTIME_DIR = env.XDG_RUNTIME_DIR;
    this.child = spawn(process.execPath, [...agentNodeArgs, join(this.dist, 'agent.cjs'), '--home', this.home], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.startedAt ??= startedAt;
    this.timer ??= setInterval(() => this.sample(), sampleMs);
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`the agent ended with ${this.child.exitCode}`);
      try {
        this.client = await this.connect();
        const { pid } = await this.client.request('agent/status', {});
        if (pid === this.child.pid) return performance.now() - startedAt;
        await this.client[Symbol.asyncDispose]();
      } catch {
        // It is not there yet.
      }
      await sleep(5);
    }
  }

  async connect() {
    return await connectAgent({
      home: this.home,
      agentMain: join(this.dist, 'agent.cjs'),
      node: process.execPath,
      client: 'bench',
      version,
      start: false,
    });
  }

  sample() {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      const mb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      // What the system saw as the most since the process began, between two samples too.
      this.maxMb = Math.max(this.maxMb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      this.samples.push([performance.now() - this.startedAt, mb]);
    } catch {
      // It has just ended.
    }
  }

  /** Milliseconds of processor time so far. */
  cpuMs() {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async kill() {
    this.sample();
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async stop() {
    this.sample();
    clearInterval(this.timer);
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await this.exited;
    }
  }
}
