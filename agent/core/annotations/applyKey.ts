import { findNodeAtLocation, parseTree } from 'jsonc-parser';
import { isScalar, parseDocument } from 'yaml';
import { HpoError } from '../../protocol/errors.ts';
import type { ParamValue } from '../../protocol/space.ts';
import { renderValue } from './edits.ts';
import type { LanguageId } from './languages/language.ts';
import { languageOf } from './languages/index.ts';
import { scanToml } from './languages/tomlScan.ts';

/**
 * The text of a YAML, TOML or JSON file with the value at a dotted path (`optimizer.lr`, `layers.0.width`) replaced in the
 * literal's own style; everything else, comments included, stays as it is. This is what `via key(file:path)` does.
 * @throws HpoError HPO-2105 when the file has no single value at the path, HPO-1136 when it has no literal for the value
 */
export function applyKey(text: string, file: string, path: string, value: ParamValue): string {
  const language = languageOf(file)?.id ?? null;
  const span = language === null ? null : valueAt(text, language, path.split('.'));
  if (language === null || span === null) {
    throw new HpoError(
      'HPO-2105',
      `${file} has no value at "${path}"`,
      `add the key to ${file}, or mend the path in via key(${file}:${path})`,
    );
  }
  const [start, end] = span;
  return text.slice(0, start) + renderValue(text.slice(start, end), value, language) + text.slice(end);
}

/** Offsets of a value that is no map or list. */
function valueAt(text: string, language: LanguageId, path: readonly string[]): readonly [number, number] | null {
  switch (language) {
    case 'yaml': {
      const node = parseDocument(text, { logLevel: 'silent' }).getIn(path.map(asIndex), true);
      return isScalar(node) && node.range ? [node.range[0], node.range[1]] : null;
    }
    case 'json': {
      const tree = parseTree(text);
      const node = tree === undefined ? undefined : findNodeAtLocation(tree, path.map(asIndex));
      return node === undefined || node.type === 'object' || node.type === 'array'
        ? null
        : [node.offset, node.offset + node.length];
    }
    case 'toml': {
      const entry = scanToml(text).entries.find((candidate) => candidate.path.join('.') === path.join('.'));
      return entry === undefined || entry.type !== 'value' ? null : [entry.start, entry.end];
    }
    default:
      // The rest are programs.
      return null;
  }
}

/** A whole number in a path is the place in a list. */
function asIndex(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}
