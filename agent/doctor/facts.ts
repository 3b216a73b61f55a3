import { constants, accessSync, existsSync, readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { chooseEnvironment } from '../packaging/environment/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Finding } from './finding.ts';
import { bytesText } from './journal.ts';
import type { Records } from './records.ts';

const leastNode = [22, 13] as const;
/** Below this the journal may soon have no room. */
const leastFreeBytes = 100e6;

export function checkProgram(version: string): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  const what = `hpo ${version} on Node ${process.versions.node} (${process.execPath}), ${process.platform} ${process.arch}`;
  if (isNew) return { check: 'program', state: 'ok', what };
  return { check: 'program', state: 'wrong', what, next: `use Node ${leastNode.join('.')} or newer` };
}

export function checkDisk(home: string): Finding {
  const check = 'disk';
  // Before the first study the folder is not there.
  let folder = home;
  while (!existsSync(folder)) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    return {
      check,
      state: 'wrong',
      what: `${folder} may not be written to`,
      next: 'change its rights, or set HPO_HOME to another folder',
    };
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const what = `${bytesText(free)} free where ${home} is`;
  if (free >= leastFreeBytes) return { check, state: 'ok', what };
  return {
    check,
    state: 'wrong',
    what: `only ${what}: trials and the journal soon have no room`,
    next: 'free some room on that disk, or delete studies: hpo delete STUDY',
  };
}

/** The interpreters of the studies that go on, and the one that a new study would get. */
export async function checkPython(folder: string, cacheDir: string, records: Records | null): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { studyId, state, spec } of records?.views.values() ?? []) {
    const { interpreter } = spec.environment;
    if (state === 'ended' || !interpreter.startsWith('/') || existsSync(interpreter)) continue;
    const what = `the interpreter ${interpreter} of ${studyId} is gone: its trials cannot start`;
    findings.push({
      check: 'python',
      state: 'wrong',
      what,
      next: 'bring it back, or stop the study and tune the script again',
      studyId,
    });
  }
  try {
    const report = await chooseEnvironment({ script: `${folder}/script.py`, root: folder, mode: 'current', cacheDir });
    const { choice, tried } = report;
    if (choice !== null)
      findings.push({
        check: 'python',
        state: 'ok',
        what: `Python ${choice.version} at ${choice.interpreter} (${choice.reason})`,
      });
    else {
      const what = tried.length === 0 ? 'there is no Python on PATH' : `no Python starts: ${tried.join('; ')}`;
      findings.push({
        check: 'python',
        state: 'wrong',
        what,
        next: 'install Python 3, or name an interpreter with --python PATH',
      });
    }
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    findings.push({ check: 'python', state: 'wrong', what: error.message, next: error.next });
  }
  return findings;
}

/** No port may be open: another user of the machine, or a page in a browser, could come in by it. */
export function checkPorts(pid: number | null): Finding {
  const check = 'ports';
  if (pid === null) return { check, state: 'ok', what: 'no agent runs, so none is open' };
  if (process.platform !== 'linux')
    return { check, state: 'unknown', what: 'open ports of a process cannot be seen on this system' };
  const ports = listeningPorts(pid);
  if (ports === null) return { check, state: 'unknown', what: `the sockets of process ${pid} cannot be seen` };
  if (ports.length === 0) return { check, state: 'ok', what: 'the agent has no TCP port open' };
  const what = `the agent (process ${pid}) listens at the TCP ports ${ports.join(', ')}`;
  return { check, state: 'wrong', what, next: 'stop it (hpo agent stop) and report this fault' };
}

/** Null where they cannot be seen, as those of another user. */
function listeningPorts(pid: number): readonly number[] | null {
  const listening = new Map<string, number>();
  try {
    for (const table of ['tcp', 'tcp6']) {
      for (const line of readText(`/proc/${pid}/net/${table}`).split('\n').slice(1)) {
        const fields = line.trim().split(/\s+/);
        // State 0A is LISTEN; the local address is hexadecimal, ADDRESS:PORT.
        if (fields[3] === '0A') listening.set(fields[9] ?? '', Number.parseInt(fields[1]?.split(':')[1] ?? '', 16));
      }
    }
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    return open.flatMap((link) => listening.get(link.match(/^socket:\[(\d+)\]$/)?.[1] ?? '') ?? []);
  } catch {
    return null;
  }
}

/** Empty where there is no such table, as IPv6 may be off. */
function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed in the meantime.
    return '';
  }
}
