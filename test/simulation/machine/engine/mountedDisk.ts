import type { ContainerMount, ContainerSpec } from '../../../../agent/engine/engine.ts';
import type { FileStat } from '../../../../agent/system/files.ts';
import { type Disk, type FileNode, systemError } from '../disk.ts';
import type { ProgramDisk } from '../program.ts';

interface Place {
  readonly disk: Disk;
  readonly path: string;
}

interface Mount {
  readonly target: string;
  readonly disk: Disk;
  readonly source: string;
  readonly isReadOnly: boolean;
}

/** Where what a container prints goes. */
export const consolePath = '/dev/console';

/** The machine's disk as a container sees it: its mounts and its folders in memory, in a root that cannot be written. */
export class MountedDisk implements ProgramDisk {
  /** The deepest first. */
  readonly #mounts: readonly Mount[];

  /** A mount may be of another disk than the machine's. */
  constructor(
    disk: Disk,
    {
      mounts,
      tmpfs,
    }: { readonly mounts: readonly (ContainerMount & { readonly disk?: Disk })[]; readonly tmpfs: ContainerSpec['tmpfs'] },
    memory: Disk,
  ) {
    const inMemory = ['/dev', ...Object.keys(tmpfs)];
    for (const target of inMemory) memory.makeFolder(target);
    this.#mounts = [
      ...mounts.map((mount) => ({ disk, ...mount })),
      ...inMemory.map((target) => ({ target, disk: memory, source: target, isReadOnly: false })),
    ].toSorted((a, b) => b.target.length - a.target.length);
  }

  stat(path: string, followsLast?: boolean): FileStat | null {
    const place = this.#find(path);
    return place === null ? null : place.disk.stat(place.path, followsLast);
  }

  readText(path: string): string {
    const place = this.#find(path);
    if (place === null) throw systemError('ENOENT', path);
    return place.disk.readText(place.path);
  }

  /** Empty for a file that is not there. */
  readFrom(path: string, offset: number, maxBytes: number): Uint8Array {
    const place = this.#find(path);
    return place === null ? new Uint8Array() : place.disk.readFrom(place.path, offset, maxBytes);
  }

  /** Empty for a folder that is not there. */
  names(path: string): readonly string[] {
    const place = this.#find(path);
    return place === null ? [] : place.disk.names(place.path);
  }

  makeFolder(path: string): void {
    const place = this.#writable(path);
    place.disk.makeFolder(place.path);
  }

  remove(path: string): void {
    const place = this.#writable(path);
    place.disk.remove(place.path);
  }

  link(target: string, path: string): void {
    const place = this.#writable(path);
    place.disk.link(target, place.path);
  }

  writeText(path: string, text: string): void {
    const place = this.#writable(path);
    place.disk.writeText(place.path, text);
  }

  create(path: string, keeps: boolean): FileNode {
    const place = this.#writable(path);
    return place.disk.create(place.path, keeps);
  }

  append(file: FileNode, text: string, path: string): void {
    const place = this.#writable(path);
    place.disk.append(file, text, place.path);
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.#writable(from), this.#writable(to)];
    if (source.disk !== target.disk || this.#mountOf(from) !== this.#mountOf(to)) throw systemError('EXDEV', to);
    if (this.#mounts.some((mount) => mount.target === from || mount.target === to)) throw systemError('EBUSY', to);
    source.disk.rename(source.path, target.path);
  }

  truncate(path: string, size: number): void {
    const place = this.#writable(path);
    place.disk.truncate(place.path, size);
  }

  #writable(path: string): Place {
    const place = this.#find(path);
    if (place === null || this.#mountOf(path)?.isReadOnly === true) throw systemError('EROFS', path);
    return place;
  }

  #find(path: string): Place | null {
    const place = this.#placeOf(path);
    if (place !== null && place.disk.stat(place.path) !== null) return place;
    // A link leads to where the container has it.
    const led = this.#followed(path);
    return led === path ? place : this.#placeOf(led);
  }

  #placeOf(path: string): Place | null {
    const mount = this.#mountOf(path);
    return mount === null ? null : { disk: mount.disk, path: `${mount.source}${path.slice(mount.target.length)}` };
  }

  /** The path behind the first link on its way. */
  #followed(path: string): string {
    const names = path.split('/').filter((name) => name !== '');
    for (let n = 1; n <= names.length; n++) {
      const place = this.#placeOf(`/${names.slice(0, n).join('/')}`);
      const target = place?.disk.linkTarget(place.path) ?? null;
      if (target?.startsWith('/') === true) return this.#followed([target, ...names.slice(n)].join('/'));
    }
    return path;
  }

  #mountOf(path: string): Mount | null {
    return this.#mounts.find(({ target }) => isWithin(path, target)) ?? null;
  }
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
