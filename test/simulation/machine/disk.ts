import type { Rng } from '../../../agent/core/math/index.ts';
import type { FileStat } from '../../../agent/system/files.ts';

/** What a power cut finds written longer ago than this is on the disk, as a real kernel sees to. In ms. */
const writebackMs = 5_000;

export interface FileNode {
  readonly kind: 'file';
  data: Uint8Array;
  size: number;
  /** Bytes that survive a power cut, as of the last write. */
  safeSize: number;
  writtenAt: number;
  modifiedAt: number;
  changedAt: number;
}

interface FolderNode {
  readonly kind: 'folder';
  readonly children: Map<string, Node>;
  modifiedAt: number;
  changedAt: number;
}

interface LinkNode {
  readonly kind: 'link';
  readonly target: string;
  readonly modifiedAt: number;
  readonly changedAt: number;
}

/** What nobody reads or writes without waiting. */
interface FifoNode {
  readonly kind: 'fifo';
  readonly modifiedAt: number;
  readonly changedAt: number;
}

type Node = FileNode | FolderNode | LinkNode | FifoNode;

/** A disk in memory. Every call is one that a kernel would serve at once; errors carry the codes of a real one. */
export class Disk {
  isFull = false;
  readonly #now: () => number;
  readonly #wallTime: () => number;
  readonly #root: FolderNode = { kind: 'folder', children: new Map(), modifiedAt: 0, changedAt: 0 };
  readonly #listeners = new Map<string, Set<() => void>>();

  /** `now` never goes back, `wallTime` is what files are dated by; both in milliseconds. */
  constructor(now: () => number, wallTime: () => number) {
    this.#now = now;
    this.#wallTime = wallTime;
  }

  stat(path: string, followsLast = true): FileStat | null {
    const node = this.#find(path, followsLast);
    if (node === null) return null;
    const { kind, modifiedAt, changedAt } = node;
    return { size: kind === 'file' ? node.size : 0, modifiedAt, changedAt, isFolder: kind === 'folder', isLink: kind === 'link' };
  }

  /** Whether a path leads to a file in a folder. */
  hasWithin(path: string, folder: string): boolean {
    return this.#find(path)?.kind === 'file' && this.#resolve(path).startsWith(`${this.#resolve(folder)}/`);
  }

  readText(path: string): string {
    const { data, size } = this.#file(path);
    return new TextDecoder().decode(data.subarray(0, size));
  }

  /** Empty for a file that is not there. */
  readFrom(path: string, offset: number, maxBytes: number): Uint8Array {
    const kind = this.#find(path)?.kind;
    if (kind === undefined || kind === 'fifo') return new Uint8Array();
    const { data, size } = this.#file(path);
    return data.slice(Math.min(offset, size), Math.min(size, offset + maxBytes));
  }

  /** Empty for a folder that is not there. */
  names(path: string): string[] {
    const node = this.#find(path);
    if (node === null) return [];
    if (node.kind !== 'folder') return [];
    return [...node.children.keys()];
  }

  realPath(path: string): string {
    const real = this.#resolve(path);
    if (this.#find(real) === null) throw systemError('ENOENT', path);
    return real;
  }

  /** Makes or empties a file and writes what there is room for; what is neither file nor folder is replaced. */
  writeText(path: string, text: string): void {
    const kind = this.#find(path, false)?.kind;
    if (kind === 'link' || kind === 'fifo') this.remove(path);
    const file = this.create(path, false);
    this.append(file, text, path);
  }

  /** Opens a file, made when it is not there; `keeps` what is in it. */
  create(path: string, keeps: boolean): FileNode {
    const { folder, name } = this.#place(path);
    const known = this.#find(path);
    if (known?.kind === 'folder') throw systemError('EISDIR', path);
    if (known?.kind === 'fifo') throw systemError('ENXIO', path);
    if (known?.kind === 'file') {
      if (!keeps) this.#touch(known, 0);
      return known;
    }
    if (this.isFull) throw systemError('ENOSPC', path);
    const at = this.#wallTime();
    const file: FileNode = {
      kind: 'file',
      data: new Uint8Array(64),
      size: 0,
      safeSize: 0,
      writtenAt: this.#now(),
      modifiedAt: at,
      changedAt: at,
    };
    folder.children.set(name, file);
    this.#tell(path);
    return file;
  }

  /** Throws ENOSPC, and has written a part, when the disk is full. `path` is where watchers look for it. */
  append(file: FileNode, text: string, path: string): void {
    const all = new TextEncoder().encode(text);
    const bytes = this.isFull ? all.subarray(0, all.length >> 1) : all;
    const size = file.size + bytes.length;
    if (size > file.data.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(file.data.subarray(0, file.size));
      file.data = larger;
    }
    file.data.set(bytes, file.size);
    this.#touch(file, size);
    this.#tell(path);
    if (this.isFull) throw systemError('ENOSPC', path);
  }

  /** Writes at a position of a file, made when it is not there; what is neither file nor folder is replaced. */
  writeAt(path: string, offset: number, bytes: Uint8Array): void {
    const kind = this.#find(path, false)?.kind;
    if (kind === 'link' || kind === 'fifo') this.remove(path);
    const file = this.create(path, true);
    const written = this.isFull ? bytes.subarray(0, bytes.length >> 1) : bytes;
    const size = Math.max(file.size, offset + written.length);
    if (size > file.data.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(file.data.subarray(0, file.size));
      file.data = larger;
    }
    // A gap reads as zeros.
    if (offset > file.size) file.data.fill(0, file.size, offset);
    file.data.set(written, offset);
    this.#touch(file, size);
    // What is overwritten may come back as it was, or as nothing.
    file.safeSize = Math.min(file.safeSize, offset);
    this.#tell(path);
    if (this.isFull) throw systemError('ENOSPC', path);
  }

  /** Cuts a file off after so many bytes. */
  truncate(path: string, size: number): void {
    this.#touch(this.#file(path), size);
    this.#tell(path);
  }

  /** From now on a cut of the power takes nothing of what the file has. Names of files survive it anyway. */
  flush(path: string): void {
    const node = this.#find(path);
    if (node === null) throw systemError('ENOENT', path);
    if (node.kind === 'file') node.safeSize = node.size;
  }

  rename(from: string, to: string): void {
    const source = this.#place(from);
    const node = source.folder.children.get(source.name);
    if (node === undefined) throw systemError('ENOENT', from);
    const target = this.#place(to);
    const known = target.folder.children.get(target.name);
    if (known?.kind === 'folder' && known.children.size > 0) throw systemError('ENOTEMPTY', to);
    source.folder.children.delete(source.name);
    target.folder.children.set(target.name, node);
    this.#tell(to);
  }

  makeFolder(path: string): void {
    let folder = this.#root;
    for (const name of parts(this.#resolve(path))) {
      const known = folder.children.get(name);
      if (known === undefined) {
        if (this.isFull) throw systemError('ENOSPC', path);
        const at = this.#wallTime();
        const made: FolderNode = { kind: 'folder', children: new Map(), modifiedAt: at, changedAt: at };
        folder.children.set(name, made);
        folder = made;
      } else if (known.kind === 'folder') folder = known;
      else throw systemError('EEXIST', path);
    }
  }

  link(target: string, path: string): void {
    const { folder, name } = this.#place(path);
    if (folder.children.has(name)) throw systemError('EEXIST', path);
    const at = this.#wallTime();
    folder.children.set(name, { kind: 'link', target, modifiedAt: at, changedAt: at });
  }

  fifo(path: string): void {
    const { folder, name } = this.#place(path);
    const at = this.#wallTime();
    folder.children.set(name, { kind: 'fifo', modifiedAt: at, changedAt: at });
  }

  /** What is written in a link; null for anything else. */
  linkTarget(path: string): string | null {
    const node = this.#find(path, false);
    return node?.kind === 'link' ? node.target : null;
  }

  /** At most `limit` files of it, as a copy that is cut short. */
  copyFolder(from: string, to: string, limit = Infinity): void {
    this.makeFolder(to);
    let left = limit;
    for (const name of this.names(from)) {
      const source = `${from}/${name}`;
      const node = this.#find(source, false);
      if (node === null || left-- <= 0) continue;
      if (node.kind === 'folder') this.copyFolder(source, `${to}/${name}`, left);
      else if (node.kind === 'link') this.link(node.target, `${to}/${name}`);
      else if (node.kind === 'file') {
        this.writeText(`${to}/${name}`, this.readText(source));
        this.#file(`${to}/${name}`).modifiedAt = node.modifiedAt;
      }
    }
  }

  remove(path: string): void {
    const node = this.#find(path, false);
    if (node === null) return;
    const { folder, name } = this.#place(path);
    folder.children.delete(name);
    this.#tell(path);
  }

  removeEmptyFolder(path: string): void {
    const node = this.#find(path, false);
    if (node === null) throw systemError('ENOENT', path);
    if (node.kind !== 'folder') throw systemError('ENOTDIR', path);
    if (node.children.size > 0) throw systemError('ENOTEMPTY', path);
    this.remove(path);
  }

  /** `onChange` hears at once; a real system tells late, or never. */
  watch(folder: string, onChange: () => void): Disposable {
    const listeners = this.#listeners.get(folder) ?? new Set();
    this.#listeners.set(folder, listeners.add(onChange));
    return { [Symbol.dispose]: () => void listeners.delete(onChange) };
  }

  /** What was not yet written back is lost: such a file keeps its name and a part of its content, down to nothing. */
  cutPower(rng: Rng): void {
    this.#listeners.clear();
    const cut = (folder: FolderNode): void => {
      for (const node of folder.children.values()) {
        if (node.kind === 'folder') cut(node);
        if (node.kind !== 'file' || this.#now() - node.writtenAt > writebackMs) continue;
        const lost = node.size - node.safeSize;
        node.size = node.safeSize + [lost, rng.int(lost + 1), 0][rng.int(3)]!;
        node.safeSize = node.size;
      }
    };
    cut(this.#root);
  }

  /** Every path below a folder, links not followed. */
  *paths(folder: string): Generator<string> {
    for (const name of this.names(folder)) {
      const path = `${folder}/${name}`;
      yield path;
      if (this.stat(path, false)?.isFolder === true) yield* this.paths(path);
    }
  }

  #touch(file: FileNode, size: number): void {
    if (this.#now() - file.writtenAt > writebackMs) file.safeSize = file.size;
    file.safeSize = Math.min(file.safeSize, size);
    file.size = size;
    file.writtenAt = this.#now();
    file.modifiedAt = this.#wallTime();
    file.changedAt = file.modifiedAt;
  }

  #tell(path: string): void {
    if (this.#listeners.size === 0) return;
    for (const listener of this.#listeners.get(path.slice(0, path.lastIndexOf('/'))) ?? []) listener();
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node === null) throw systemError('ENOENT', path);
    if (node.kind !== 'file') throw systemError('EISDIR', path);
    return node;
  }

  #place(path: string): { readonly folder: FolderNode; readonly name: string } {
    const cut = path.lastIndexOf('/');
    const folder = this.#find(path.slice(0, cut) || '/');
    if (folder === null) throw systemError('ENOENT', path);
    if (folder.kind !== 'folder') throw systemError('ENOTDIR', path);
    return { folder, name: path.slice(cut + 1) };
  }

  #find(path: string, followsLast = true): Node | null {
    let node: Node = this.#root;
    const names = parts(path);
    for (const [i, name] of names.entries()) {
      if (node.kind !== 'folder') return null;
      const child: Node | undefined = node.children.get(name);
      if (child === undefined) return null;
      if (child.kind === 'link' && (followsLast || i < names.length - 1))
        return this.#find([child.target, ...names.slice(i + 1)].join('/'), followsLast);
      node = child;
    }
    return node;
  }

  /** The path with all links in it replaced, as far as it is there. */
  #resolve(path: string): string {
    let real = '';
    for (const name of parts(path)) {
      const node = this.#find(`${real}/${name}`, false);
      real = node?.kind === 'link' ? this.#resolve(node.target) : `${real}/${name}`;
    }
    return real || '/';
  }
}

/** As Node throws it. */
export function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
