import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** A socket of the internet's protocols, in whatever state: the product has none, neither to listen nor to call. */
export interface OpenPort {
  readonly pid: number;
  readonly protocol: string;
  /** Local address and port, as the kernel writes them: hexadecimal. */
  readonly local: string;
}

/** Whether this machine can be asked: Linux alone says which socket is whose in files. */
export const canListPorts: boolean = process.platform === 'linux';

/** Files of `/proc/<pid>/net` that list sockets with an address. */
const protocols = ['tcp', 'tcp6', 'udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6'] as const;

/** Internet sockets of these processes, with all their threads; a process that is gone has none. Only where `canListPorts`. */
export function openPorts(pids: Iterable<number>): readonly OpenPort[] {
  return [...pids].flatMap((pid) => {
    const inodes = socketsOf(pid);
    if (inodes.size === 0) return [];
    // As that process sees it: it may live in a network of its own.
    return protocols.flatMap((protocol) =>
      linesOf(join('/proc', String(pid), 'net', protocol)).flatMap((line) => {
        const fields = line.trim().split(/\s+/);
        const [, local = ''] = fields;
        return inodes.has(fields[9] ?? '') ? [{ pid, protocol, local }] : [];
      }),
    );
  });
}

/** Processes of this user whose command line names the folder or something in it: the agent of a home, and the shims of its trials. */
export function processesNaming(folder: string): readonly number[] {
  return numbersIn('/proc').filter((pid) =>
    textOf(join('/proc', String(pid), 'cmdline'))
      .split('\0')
      .some((word) => word === folder || word.startsWith(`${folder}/`)),
  );
}

function socketsOf(pid: number): ReadonlySet<string> {
  const folder = join('/proc', String(pid), 'fd');
  const inodes = new Set<string>();
  for (const fd of numbersIn(folder)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, String(fd))))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed since.
    }
  }
  return inodes;
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function linesOf(file: string): string[] {
  return textOf(file).split('\n').slice(1);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
