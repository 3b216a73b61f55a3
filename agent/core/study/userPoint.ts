import { HpoError } from '../../protocol/errors.ts';
import type { Params, ParamValue } from '../../protocol/space.ts';
import { type CompiledParameter, type CompiledSpace, contains, fromUnit, toUnit } from '../space/index.ts';

/** The words of a user are wrong. */
const usage = { exitCode: 2 } as const;

/**
 * The point that a user means: active parameters that are left out keep the script's own value, inactive ones are dropped,
 * a number between two steps goes to the nearest one, and a choice may be written as text.
 *
 * @throws HpoError HPO-4306 for a name that is no parameter, HPO-4307 for a value that its parameter does not take, HPO-4308
 * where a parameter has neither a value here nor one in the script, HPO-4309 where a condition excludes the point.
 */
export function userPoint(space: CompiledSpace, given: Params): Params {
  const names = space.parameters.map(({ name }) => name);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new HpoError('HPO-4306', `there is no parameter "${unknown}"`, `use the names of the script: ${listed(names)}`, usage);
  const values: Record<string, ParamValue> = {};
  for (const parameter of space.ordered) {
    if (!space.isActive(parameter, values)) continue;
    const { name, distribution } = parameter;
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined) values[name] = fitted(parameter, value);
    else if (parameter.default !== undefined && contains(distribution, parameter.default)) values[name] = parameter.default;
    else
      throw new HpoError(
        'HPO-4308',
        `the point has no value for "${name}"`,
        `add ${name}=…: the script has no value in its range`,
        usage,
      );
  }
  if (space.satisfies(values)) return values;
  const texts = space.where.map(({ text }) => `"${text}"`).join(' and ');
  throw new HpoError(
    'HPO-4309',
    `the point ${JSON.stringify(values)} does not satisfy ${texts}`,
    'change one of its values',
    usage,
  );
}

function fitted({ name, distribution }: CompiledParameter, value: ParamValue): ParamValue {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') {
    const { choices } = distribution;
    if (contains(distribution, value)) return value;
    const named = choices.find((choice) => textOf(choice) === textOf(value));
    if (named !== undefined) return named;
    throw new HpoError(
      'HPO-4307',
      `"${name}" cannot be ${JSON.stringify(value)}`,
      `choose one of: ${listed(choices.map(textOf))}`,
      usage,
    );
  }
  const { low, high } = distribution;
  if (typeof value !== 'number' || !(value >= low && value <= high))
    throw new HpoError('HPO-4307', `"${name}" cannot be ${JSON.stringify(value)}`, `give a number from ${low} to ${high}`, usage);
  if (distribution.type === 'int' && !Number.isInteger(value))
    throw new HpoError(
      'HPO-4307',
      `"${name}" cannot be ${JSON.stringify(value)}`,
      `give a whole number from ${low} to ${high}`,
      usage,
    );
  return contains(distribution, value) ? value : fromUnit(distribution, toUnit(distribution, value));
}

/** As a user types it; truth values and None in either language's way. */
function textOf(value: ParamValue): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const plain: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null' };
  return plain[value] ?? value;
}

function listed(names: readonly string[]): string {
  return names.length <= 20 ? names.join(', ') : `${names.slice(0, 20).join(', ')} …`;
}
