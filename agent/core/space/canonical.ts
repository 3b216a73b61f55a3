import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Distribution, Fidelity, Objective, Parameter, SearchSpace } from '../../protocol/space.ts';
import { parseCondition } from './conditionParser.ts';
import { size, valueAt } from './distribution.ts';

export interface Hashable {
  readonly space: SearchSpace;
  readonly objectives: readonly Objective[];
  readonly constraints: readonly string[];
  readonly fidelity: Fidelity | null;
}

/**
 * SHA-256 (hex) of what a study searches and for what. Equal searches hash equally whatever their layout: order and places
 * of the annotations, spacing of conditions, the sink and the script's own values do not count. The last, so that a best
 * value that was inserted into the source still belongs to the study that found it.
 */
export function hashSpec(spec: Hashable): string {
  const names = new Set(spec.space.parameters.map((parameter) => parameter.name));
  const { fidelity } = spec;
  return hashText(
    canonicalJson({
      parameters: sorted(spec.space.parameters.map((parameter) => canonicalParameter(parameter, names))),
      where: sorted(spec.space.where.map((text) => canonicalCondition(text, names))),
      objectives: sorted(spec.objectives.map(({ metric, direction, goal }) => ({ metric, direction, goal }))),
      constraints: sorted(spec.constraints.map((text) => canonicalCondition(text, new Set()))),
      fidelity:
        fidelity === null
          ? null
          : { name: fidelity.name, min: fidelity.min, max: fidelity.max, reductionFactor: fidelity.reductionFactor },
    }),
  );
}

/** SHA-256 of the text's UTF-8 bytes as 64 hexadecimal digits. */
export function hashText(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/**
 * JSON with sorted keys and no spaces, so that equal data gives equal text. Absent (undefined) fields are left out;
 * NaN and the infinities, which JSON lacks, are written as bare words; −0 is 0, as it is after a way through JSON. Maps, sets and
 * typed arrays, whose order counts, are lists after the name of what they are.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  if (value instanceof Map) return `Map${canonicalJson([...value])}`;
  if (value instanceof Set) return `Set${canonicalJson([...value])}`;
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) {
    // Each typed array is a list of its numbers.
    return `${value.constructor.name}${canonicalJson([...(value as Float64Array)])}`;
  }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
}

function canonicalParameter(parameter: Parameter, names: ReadonlySet<string>): unknown {
  return {
    name: parameter.name,
    distribution: canonicalDistribution(parameter.distribution),
    when: parameter.when === null ? null : canonicalCondition(parameter.when, names),
  };
}

function canonicalDistribution(distribution: Distribution): unknown {
  switch (distribution.type) {
    case 'categorical':
      return { type: distribution.type, choices: sorted(distribution.choices) };
    case 'ordinal':
      return { type: distribution.type, choices: distribution.choices };
    default: {
      const { type, low, log, revlog } = distribution;
      const step = type === 'int' ? (distribution.step ?? 1) : distribution.step;
      // A written end that is not on the grid bounds the same values as the last grid point.
      const high = step === null || !(step > 0) ? distribution.high : valueAt(distribution, size(distribution) - 1);
      return { type, low, high, log, revlog, step };
    }
  }
}

/** The tree, so that spacing and needless parentheses do not count; the text itself where it does not parse. */
function canonicalCondition(text: string, names: ReadonlySet<string>): unknown {
  const parsed = parseCondition(text, names);
  return parsed.type === 'ok' ? parsed.condition.root : text.trim();
}

function sorted<T>(items: readonly T[]): T[] {
  const keyed = items.map((item) => ({ item, key: canonicalJson(item) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ item }) => item);
}
