import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { V1ConfigMap, V1OwnerReference, V1VolumeProjection } from '@kubernetes/client-node';
import type { Labels } from '../../cluster/cluster.ts';
import type { AttemptStart } from '../executor.ts';
import { shimScript } from '../attempt/shim.ts';
import { maxObjectBytes } from '../../packaging/codeTravel.ts';
import { quoted } from '../../packaging/shellWord.ts';
import type { CodeObjects } from './codeObjects.ts';
import { entryData, objectEntry } from './objectEntry.ts';
import { inputs } from './places.ts';
import { podProgram } from './podProgram.ts';

/** Where and whose the objects are. */
export interface ObjectPlace {
  /** Begins the names of the study's. */
  readonly studyName: string;
  readonly labels: Labels;
  readonly owner: V1OwnerReference;
}

/** ConfigMaps, and what of them is in the pods' folder of inputs. */
export interface InputObjects {
  readonly configMaps: readonly V1ConfigMap[];
  readonly sources: readonly V1VolumeProjection[];
}

/**
 * What all attempts of a study share: the scripts, and the code unless the image has it. Their names follow from what is in them, so
 * that one that is there is the right one, and a newer agent's does not replace what runs.
 */
export function studyInputs(place: ObjectPlace, code: CodeObjects | null): InputObjects {
  const scripts = { [inputs.program]: podProgram, [inputs.shim]: shimScript, [inputs.setup]: code?.setup ?? '' };
  const configMaps = [configMap(place, { data: scripts })];
  const sources: V1VolumeProjection[] = [{ configMap: { name: nameOf(configMaps[0]), items: itemsOf(scripts) } }];
  for (const { entries, items } of code?.parts ?? []) {
    const made = configMap(place, entryData(entries));
    configMaps.push(made);
    sources.push({
      configMap: {
        name: nameOf(made),
        items: items.map(({ key, path, isExecutable }) => ({
          key,
          path: posix.join(inputs.code, path),
          mode: isExecutable ? 0o755 : 0o644,
        })),
      },
    });
  }
  return { configMaps, sources };
}

/**
 * The files of a trial, with its values in them. Also where there are none: it is removed when the attempt is over, and what a cluster
 * makes late of the attempt's Job begins nothing without it.
 */
export function splicedInputs(place: ObjectPlace, name: string, files: AttemptStart['files']): InputObjects {
  const cuts = files.map(({ path, content }) => ({ path, pieces: piecesOf(content) }));
  const long = cuts.flatMap(({ path, pieces }, i) => (pieces.length > 1 ? [{ path, folder: `${inputs.pieces}/${i}` }] : []));
  const entries: { readonly path: string; readonly text: string }[] = [
    ...(long.length === 0 ? [] : [{ path: inputs.join, text: joinScript(long) }]),
    ...cuts.flatMap(({ path, pieces }, i) =>
      pieces.map((text, piece) => ({
        path: pieces.length > 1 ? `${inputs.pieces}/${i}/${String(piece).padStart(6, '0')}` : posix.join(inputs.spliced, path),
        text,
      })),
    ),
  ];
  const bins: (typeof entries)[] = [[]];
  let size = 0;
  for (const entry of entries) {
    const bytes = Buffer.byteLength(entry.text);
    if (size + bytes > maxObjectBytes && size > 0) {
      bins.push([]);
      size = 0;
    }
    bins.at(-1)?.push(entry);
    size += bytes;
  }
  const made = bins.map((bin, i) => ({ bin, name: i === 0 ? name : `${name}-${i}` }));
  return {
    configMaps: made.map((one) => ({
      metadata: metadataOf(place, one.name),
      immutable: true,
      ...entryData(Object.fromEntries(one.bin.map(({ text }, i) => [`file-${i}`, objectEntry(Buffer.from(text))]))),
    })),
    sources: made.map((one) => ({
      configMap: { name: one.name, items: one.bin.map(({ path }, i) => ({ key: `file-${i}`, path })) },
    })),
  };
}

/** UTF-16 units of a piece, of which each takes three bytes at most: with all of them it is less than a ConfigMap holds. */
const pieceUnits = 256 * 1024;

/** At least one; characters stay whole. */
function piecesOf(content: string): readonly string[] {
  const pieces: string[] = [];
  let at = 0;
  do {
    let end = at + pieceUnits;
    const isWithinPair = /[\uD800-\uDBFF]/.test(content.charAt(end - 1));
    if (isWithinPair) end--;
    pieces.push(content.slice(at, end));
    at = end;
  } while (at < content.length);
  return pieces;
}

/** A script of sh for files that no ConfigMap holds: it runs in the work folder, with the folder of inputs as its argument. */
function joinScript(files: readonly { readonly path: string; readonly folder: string }[]): string {
  return [
    'set -e',
    ...files.flatMap(({ path, folder }) => [
      `mkdir -p ${quoted(`./${posix.dirname(path)}`)}`,
      // What is there may be a link to a large file of the image, which nothing can be written to.
      `rm -f ${quoted(`./${path}`)}`,
      `cat "$1/${folder}"/* >${quoted(`./${path}`)}`,
    ]),
    '',
  ].join('\n');
}

function configMap(place: ObjectPlace, contents: Pick<V1ConfigMap, 'data' | 'binaryData'>): V1ConfigMap {
  const hash = createHash('sha256').update(JSON.stringify(contents)).digest('hex').slice(0, 12);
  const name = `${place.studyName.slice(0, 50).replace(/-+$/, '')}-${hash}`;
  // A node does not ask again for what cannot change.
  return { metadata: metadataOf(place, name), immutable: true, ...contents };
}

function metadataOf({ labels, owner }: ObjectPlace, name: string): NonNullable<V1ConfigMap['metadata']> {
  return { name, labels: { ...labels }, ownerReferences: [owner] };
}

function itemsOf(data: Readonly<Record<string, string>>): { key: string; path: string }[] {
  return Object.keys(data).map((key) => ({ key, path: key }));
}

function nameOf(object: V1ConfigMap | undefined): string {
  return object?.metadata?.name ?? '';
}
