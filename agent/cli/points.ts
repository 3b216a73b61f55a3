import { HpoError } from '../protocol/errors.ts';
import type { Params, ParamValue } from '../protocol/space.ts';

/** The words `lr=1e-3 momentum=0.9 kind=adam` of one text; a value may hold blanks. */
export function pointOf(text: string): Params {
  return pointOfWords(text.trim().split(/\s+(?=[^\s=]+=)/));
}

/**
 * One `name=value` a word. Values are read as JSON where they are, else as text: the agent knows what each parameter takes.
 *
 * @throws HpoError HPO-4029
 */
export function pointOfWords(words: readonly string[]): Params {
  const values: Record<string, ParamValue> = {};
  for (const word of words) {
    const [, name, value] = /^([^\s=]+)=(.*)$/s.exec(word.trim()) ?? [];
    if (name === undefined || value === undefined || Object.hasOwn(values, name) || name === '__proto__') {
      const next = 'write one value a parameter: lr=1e-3 momentum=0.9';
      throw new HpoError('HPO-4029', `"${word}" is no part of a point`, next, { exitCode: 2 });
    }
    values[name] = valueOf(value.trim());
  }
  return values;
}

function valueOf(text: string): ParamValue {
  // JSON has no .5 and no +1.
  if (/^[-+.\d]/.test(text) && Number.isFinite(Number(text))) return Number(text);
  try {
    const value: unknown = JSON.parse(text);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON without objects is a value
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? text : (value as ParamValue);
  } catch {
    return text;
  }
}
