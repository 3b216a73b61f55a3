import type { ParamValue } from '../../protocol/space.ts';
import { type LiteralNode, isIntegerText } from './literal.ts';
import { countBreaks } from './text.ts';

/** How a language writes what is not a number. Each answers null for what the language cannot write. */
export interface LiteralStyle {
  /** The literal that is the whole of the text, or null. */
  read(text: string): LiteralNode | null;
  /** Text in the quotes of the model, where there is one and it can hold the text. */
  string(value: string, model: LiteralNode | null, place: 'top' | 'list'): string | null;
  word(value: boolean | null, model: LiteralNode | null): string | null;
  /** Whether a number needs a point and a signed exponent to be read as one (YAML 1.1). */
  readonly hasStrictFloats: boolean;
  /** Whether a list can be written, as `[1, 2]`. */
  readonly hasLists: boolean;
  readonly hasTuples: boolean;
  /** A literal followed by line breaks that replaces one that ran over several lines; null where that cannot be written. */
  padLines(literal: string, breaks: string): string | null;
}

/**
 * The value in the style of the literal that it replaces: quotes, prefix, underscores, exponent, brackets. A float stays
 * a float, the number of line breaks stays. Null when the language has no literal for the value.
 */
export function render(literalText: string, value: ParamValue, style: LiteralStyle): string | null {
  const model = style.read(literalText);
  // The value that stands there already keeps its every character.
  if (model !== null && isSameValue(model.value, value)) return literalText;
  const literal = renderValue(value, model, style, 'top');
  if (literal === null) return null;
  const missing = countBreaks(literalText) - countBreaks(literal);
  if (missing === 0) return literal;
  if (missing < 0) return null;
  const breaks = (/\r\n|\n|\r/.exec(literalText)?.[0] ?? '\n').repeat(missing);
  const close = literal.length - 1;
  return /[)\]]$/.test(literal) && Array.isArray(value) && (model?.brackets !== '' || literal.startsWith('['))
    ? literal.slice(0, close) + breaks + literal.slice(close)
    : style.padLines(literal, breaks);
}

/** Equality by value; −0 and 0 differ as they do in a source text. */
export function isSameValue(a: ParamValue, b: ParamValue): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSameValue(item, b[index] ?? null));
  return Object.is(a, b);
}

function renderValue(value: ParamValue, model: LiteralNode | null, style: LiteralStyle, place: 'top' | 'list'): string | null {
  if (typeof value === 'number') return renderNumber(value, model?.kind === 'number' ? model.text : null, style.hasStrictFloats);
  if (typeof value === 'string') return style.string(value, model?.kind === 'string' ? model : null, place);
  if (typeof value === 'boolean') return style.word(value, model?.kind === 'bool' ? model : null);
  if (value === null) return style.word(null, model?.kind === 'null' ? model : null);
  if (!style.hasLists) return null;
  return renderList(value, model?.kind === 'list' ? model : null, style, place);
}

function renderList(
  value: readonly ParamValue[],
  model: LiteralNode | null,
  style: LiteralStyle,
  place: 'top' | 'list',
): string | null {
  const items: string[] = [];
  for (const [index, item] of value.entries()) {
    const text = renderValue(item, model?.items[index] ?? model?.items[0] ?? null, style, 'list');
    if (text === null) return null;
    items.push(text);
  }
  const joined = items.join(/,\S/.test(model?.text ?? '') && !/, /.test(model?.text ?? '') ? ',' : ', ');
  if (style.hasTuples && model !== null && model.brackets !== '[]') {
    const inner = items.length === 1 ? `${joined},` : joined;
    return model.brackets === '' && items.length > 0 && place === 'top' ? inner : `(${inner})`;
  }
  return `[${joined}]`;
}

/** A number in the style of another one, or in the plainest style; null for what is not finite. */
export function renderNumber(value: number, model: string | null, isStrict = false): string | null {
  if (!Number.isFinite(value)) return null;
  const magnitude = Math.abs(value);
  const unsigned = Object.is(magnitude, value) && value >= 0;
  const sign = unsigned ? (model?.startsWith('+') === true ? '+' : '') : '-';
  const body = (model ?? '').replace(/^[-+]\s*/, '');
  const isFloat = model !== null && !isIntegerText(body);
  // Beyond 2^53 a whole number cannot be read back exactly; as a float it can.
  if (Number.isSafeInteger(value) && !isFloat) {
    // TOML and YAML know no sign before 0x.
    const digits = renderInteger(magnitude, unsigned || model?.startsWith('-') === true ? body : '');
    return (value === 0 ? '' : sign) + digits;
  }
  return sign + renderFloat(magnitude, body, isStrict);
}

function renderInteger(magnitude: number, model: string): string {
  const radix = { x: 16, o: 8, b: 2 }[model[1]?.toLowerCase() ?? ''];
  const isGrouped = model.includes('_');
  if (radix === undefined || !model.startsWith('0')) return group(BigInt(magnitude).toString(), isGrouped ? 3 : 0);
  const digits = BigInt(magnitude).toString(radix);
  return model.slice(0, 2) + group(/[A-F]/.test(model.slice(2)) ? digits.toUpperCase() : digits, isGrouped ? 4 : 0);
}

function renderFloat(magnitude: number, model: string, isStrict: boolean): string {
  const exponentStyle = /[eE]/.exec(model) !== null && /^0[xX]/.exec(model) === null;
  // Where the script writes 3e-4, 12.5 is still easier to read than 1.25e1.
  const isPlain = magnitude === 0 || (exponentStyle ? magnitude >= 1 && magnitude < 1000 : magnitude >= 1e-6 && magnitude < 1e21);
  if (!isPlain) return renderExponent(magnitude, exponentStyle ? model : '', isStrict);
  let [whole = '0', fraction = ''] = plainDigits(magnitude).split('.');
  if (fraction === '') fraction = '0';
  whole = group(whole, model.includes('_') ? 3 : 0);
  return `${/^\.\d/.test(model) && whole === '0' ? '' : whole}.${fraction}`;
}

/** Shortest decimal digits without an exponent. */
function plainDigits(magnitude: number): string {
  const text = String(magnitude);
  const match = /^(\d)(?:\.(\d+))?e([+-])(\d+)$/.exec(text);
  if (match === null) return text;
  const [, first = '', rest = '', sign, power = '0'] = match;
  const digits = first + rest;
  const shift = Number(power);
  return sign === '-' ? `0.${'0'.repeat(shift - 1)}${digits}` : digits.padEnd(shift + 1, '0');
}

function renderExponent(magnitude: number, model: string, isStrict: boolean): string {
  const [mantissa = '', power = '0'] = magnitude.toExponential().split('e');
  const [, modelMantissa = '', letter = 'e', modelSign = '', modelPower = ''] = /^([^eE]*)([eE])([-+]?)(\d*)/.exec(model) ?? [];
  const hasPoint = isStrict || modelMantissa.includes('.');
  const digits = power.replace(/^[-+]/, '');
  const sign = power.startsWith('-') ? '-' : isStrict || modelSign === '+' ? '+' : '';
  const padded = modelPower.startsWith('0') ? digits.padStart(modelPower.length, '0') : digits;
  return `${hasPoint && !mantissa.includes('.') ? `${mantissa}.0` : mantissa}${letter}${sign}${padded}`;
}

function group(digits: string, size: number): string {
  if (size === 0) return digits;
  const parts: string[] = [];
  for (let end = digits.length; end > 0; end -= size) parts.unshift(digits.slice(Math.max(0, end - size), end));
  return parts.join('_');
}

/** A double-quoted text with JSON's escapes, which Python, TOML and YAML read alike; control characters never stand bare. */
export function doubleQuoted(value: string): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
