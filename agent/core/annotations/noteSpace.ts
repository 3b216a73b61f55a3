import type { Distribution, ParamValue } from '../../protocol/space.ts';
import { type Faults, replaceBy } from './faults.ts';
import { isIntegerText, noteDialect, parseLiteral } from './literal.ts';
import type { Range, SpaceNote, Word } from './note.ts';
import { splitArguments } from './noteText.ts';
import { isSameValue } from './render.ts';
import { nearest, quote } from './text.ts';

export const spaceNames = ['float', 'int', 'choice', 'ordinal', 'bool', 'fidelity'];

/** Reads `float(0, 1, log)` and its like; null, with a fault, where it makes no sense. */
export function parseSpace(text: string, word: Word, inside: Range | null, faults: Faults): SpaceNote | null {
  const whole: Range = { start: word.start, end: inside === null ? word.end : inside.end + 1 };
  const args = inside === null ? [] : splitArguments(text, inside.start, inside.end);
  if (word.text === 'bool') {
    if (args.length > 0)
      faults.add(
        'HPO-1106',
        whole.start,
        whole.end,
        'bool takes no arguments',
        replaceBy('Write bool', whole.start, whole.end, 'bool'),
      );
    return args.length > 0 ? null : distributionNote({ type: 'categorical', choices: [false, true] }, whole, true);
  }
  if (inside === null) {
    const example =
      {
        float: 'float(0, 1)',
        int: 'int(1, 8)',
        choice: 'choice("a", "b")',
        ordinal: 'ordinal(16, 32, 64)',
        fidelity: 'fidelity(1, 81)',
      }[word.text] ?? '';
    faults.add('HPO-1106', word.start, word.end, `${word.text} needs its values in brackets, such as ${example}`);
    return null;
  }
  const empty = args.find((argument) => argument.text === '');
  if (empty !== undefined) {
    faults.add('HPO-1106', empty.start, empty.end, `a value is missing between the commas of ${word.text}`);
    return null;
  }
  if (word.text === 'choice' || word.text === 'ordinal') return parseChoices(word.text, args, whole, faults);
  return word.text === 'fidelity'
    ? parseFidelity(args, whole, faults)
    : parseRange(word.text === 'int' ? 'int' : 'float', args, whole, faults);
}

function distributionNote(
  distribution: Distribution,
  range: Range,
  isBool = false,
  low: Word | null = null,
  high: Word | null = null,
): SpaceNote {
  return { type: 'distribution', distribution, isBool, low, high, close: range.end - 1, start: range.start, end: range.end };
}

function parseChoices(kind: 'choice' | 'ordinal', args: readonly Word[], whole: Range, faults: Faults): SpaceNote | null {
  const choices: ParamValue[] = [];
  let isGood = true;
  for (const argument of args) {
    const literal = parseLiteral(argument.text, noteDialect);
    if (literal === null) {
      const isWord = /^[^"'()[\],]+$/.test(argument.text);
      faults.add(
        'HPO-1112',
        argument.start,
        argument.end,
        `"${quote(argument.text)}" is not a literal${isWord ? '; a text stands in quotes' : ''}`,
        isWord ? replaceBy('Put it in quotes', argument.start, argument.end, JSON.stringify(argument.text)) : null,
      );
      isGood = false;
    } else if (choices.some((choice) => isSameValue(choice, literal.value))) {
      const before = args[args.indexOf(argument) - 1];
      faults.add(
        'HPO-1113',
        argument.start,
        argument.end,
        `${quote(argument.text)} stands in the list already`,
        replaceBy('Remove it', before?.end ?? argument.start, argument.end, ''),
      );
      isGood = false;
    } else choices.push(literal.value);
  }
  if (!isGood) return null;
  if (choices.length < 2) {
    faults.add('HPO-1108', whole.start, whole.end, `${kind} needs at least two values, not ${choices.length}`);
    return null;
  }
  return distributionNote({ type: kind === 'choice' ? 'categorical' : 'ordinal', choices }, whole);
}

function parseRange(type: 'float' | 'int', args: readonly Word[], whole: Range, faults: Faults): SpaceNote | null {
  const ends = readEnds(type, args, whole, type === 'int', faults);
  if (ends === null) return null;
  const { low, high, lowWord, highWord } = ends;
  const flags = parseFlags(type, args.slice(2), faults);
  if (flags === null) return null;
  const { log, revlog, step } = flags;
  if ((log !== null || revlog !== null) && low <= 0) {
    const flag = log ?? revlog;
    const before = args[args.findIndex((argument) => argument.start === flag?.start) - 1];
    faults.add(
      'HPO-1109',
      lowWord.start,
      lowWord.end,
      `${flag?.text} needs a lower end above 0, not ${lowWord.text}; raise it or leave ${flag?.text} out`,
      replaceBy(`Remove ${flag?.text}`, before?.end ?? whole.start, flag?.end ?? whole.end, ''),
    );
    return null;
  }
  if (step !== null && step.value > high - low) {
    faults.add(
      'HPO-1108',
      step.word.start,
      step.word.end,
      `the step ${step.value} is larger than the range from ${lowWord.text} to ${highWord.text}, which leaves one value`,
    );
    return null;
  }
  const distribution: Distribution = { type, low, high, log: log !== null, revlog: revlog !== null, step: step?.value ?? null };
  return distributionNote(distribution, whole, false, lowWord, highWord);
}

function parseFidelity(args: readonly Word[], whole: Range, faults: Faults): SpaceNote | null {
  const ends = readEnds('fidelity', args, whole, true, faults);
  if (ends === null) return null;
  const { low, high, lowWord, highWord } = ends;
  if (low < 1) {
    faults.add(
      'HPO-1106',
      lowWord.start,
      lowWord.end,
      `fidelity starts at 1 or above, not ${lowWord.text}`,
      replaceBy('Start at 1', lowWord.start, lowWord.end, '1'),
    );
    return null;
  }
  let eta = 3;
  for (const argument of args.slice(2)) {
    const [, key, value = ''] = /^(\w+)\s*=\s*(.*)$/s.exec(argument.text) ?? [];
    const number = parseLiteral(value, noteDialect)?.value;
    if (key !== 'eta') {
      faults.add('HPO-1110', argument.start, argument.end, `fidelity takes eta=NUMBER, not "${quote(argument.text)}"`);
      return null;
    }
    if (typeof number !== 'number' || number <= 1) {
      faults.add('HPO-1106', argument.start, argument.end, `eta is a number above 1, not "${quote(value)}"`);
      return null;
    }
    eta = number;
  }
  return { type: 'fidelity', min: low, max: high, eta, low: lowWord, high: highWord, start: whole.start, end: whole.end };
}

interface Ends {
  readonly low: number;
  readonly high: number;
  readonly lowWord: Word;
  readonly highWord: Word;
}

function readEnds(kind: string, args: readonly Word[], whole: Range, isWhole: boolean, faults: Faults): Ends | null {
  const [lowWord, highWord] = args;
  if (lowWord === undefined || highWord === undefined) {
    faults.add(
      'HPO-1106',
      whole.start,
      whole.end,
      `${kind} needs a lower and an upper end, such as ${kind}(1, 8)${args.length === 1 ? `; only ${lowWord?.text} is there` : ''}`,
    );
    return null;
  }
  const low = readNumber(kind, lowWord, isWhole, faults);
  const high = readNumber(kind, highWord, isWhole, faults);
  if (low === null || high === null) return null;
  const swap = replaceBy('Swap the ends', lowWord.start, highWord.end, `${highWord.text}, ${lowWord.text}`);
  if (low > high) {
    faults.add(
      'HPO-1107',
      lowWord.start,
      highWord.end,
      `the lower end ${lowWord.text} is above the upper end ${highWord.text}`,
      swap,
    );
    return null;
  }
  if (low === high) {
    faults.add(
      'HPO-1108',
      lowWord.start,
      highWord.end,
      `both ends are ${lowWord.text}, which leaves one value; widen the range or remove the annotation`,
    );
    return null;
  }
  return { low, high, lowWord, highWord };
}

function readNumber(kind: string, word: Word, isWhole: boolean, faults: Faults): number | null {
  const value = parseLiteral(word.text, noteDialect)?.value;
  if (typeof value !== 'number') {
    // A whole number beyond 2^53 cannot be read exactly; for a range of floats its nearest double is what is meant.
    const loose = /^[-+]?\d+$/.test(word.text) ? Number(word.text) : NaN;
    if (!isWhole && Number.isFinite(loose)) return loose;
    const isDigits = /^[-+]?\d[\d_]*$/.test(word.text);
    faults.add(
      'HPO-1106',
      word.start,
      word.end,
      isDigits
        ? `${word.text} is beyond 2^53 and cannot be held exactly`
        : `${kind} needs a number here, not "${quote(word.text)}"`,
    );
    return null;
  }
  if (isWhole && !Number.isSafeInteger(value)) {
    faults.add(
      'HPO-1106',
      word.start,
      word.end,
      `${kind} needs whole numbers, not ${word.text}${kind === 'int' ? '; use float for the others' : ''}`,
      isIntegerText(word.text) || !Number.isSafeInteger(Math.round(value))
        ? null
        : replaceBy(`Write ${Math.round(value)}`, word.start, word.end, String(Math.round(value))),
    );
    return null;
  }
  return value === 0 ? 0 : value;
}

interface Flags {
  readonly log: Word | null;
  readonly revlog: Word | null;
  readonly step: { readonly value: number; readonly word: Word } | null;
}

function parseFlags(type: 'float' | 'int', args: readonly Word[], faults: Faults): Flags | null {
  let log: Word | null = null;
  let revlog: Word | null = null;
  let step: Flags['step'] = null;
  for (const argument of args) {
    const [, key = '', value] = /^(\w+)\s*(?:=\s*(.*))?$/s.exec(argument.text) ?? [];
    const isSecond =
      (key === 'log' && log !== null) || (key === 'revlog' && revlog !== null) || (key === 'step' && step !== null);
    if (isSecond) {
      faults.add('HPO-1111', argument.start, argument.end, `${key} stands twice`);
      return null;
    }
    if (value === undefined && key === 'log') log = argument;
    else if (value === undefined && key === 'revlog') revlog = argument;
    else if (key === 'step') {
      const number = parseLiteral(value ?? '', noteDialect)?.value;
      if (typeof number !== 'number' || number <= 0 || (type === 'int' && !Number.isSafeInteger(number))) {
        faults.add(
          'HPO-1111',
          argument.start,
          argument.end,
          `step is a ${type === 'int' ? 'whole ' : ''}number above 0, not "${quote(value ?? '')}"`,
        );
        return null;
      }
      step = { value: number, word: argument };
    } else {
      const meant = value === undefined ? nearest(key, ['log', 'revlog']) : nearest(key, ['step']);
      faults.add(
        'HPO-1110',
        argument.start,
        argument.end,
        `"${quote(argument.text)}" is not a flag of ${type}; known are log, revlog and step=NUMBER${meant === null ? '' : `; did you mean ${meant}?`}`,
        meant === null ? null : replaceBy(`Write ${meant}`, argument.start, argument.start + key.length, meant),
      );
      return null;
    }
  }
  if (log !== null && revlog !== null) {
    faults.add('HPO-1111', log.start, revlog.end > log.end ? revlog.end : log.end, 'log and revlog exclude each other');
    return null;
  }
  return { log, revlog, step };
}
