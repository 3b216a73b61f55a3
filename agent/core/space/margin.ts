import type { ParamValue } from '../../protocol/space.ts';
import { type Comparison, type Condition, type Expression, expressionValue, truthOf } from './condition.ts';

/**
 * How far values are from satisfying a condition: ≤ 0 where `evaluate` says true, above 0 where it says false, and the more
 * the farther. A model learns more from "0.3 above the limit" than from "no".
 *
 * a <= b and a < b give a − b, a == b gives |a − b|; of `and` the largest part counts, of `or` the smallest, `not` turns the
 * sign; whatever else is true or false gives −1 or 1. NaN where the truth depends on a name without a value, or on NaN.
 */
export function violation(condition: Condition, values: Values): number {
  return signed(condition.root, values);
}

type Values = Readonly<Record<string, ParamValue>>;

/** The amount, with the sign that the truth asks for: a < b is false where the difference is 0. */
function signed(expression: Expression, values: Values): number {
  const isTrue = truthOf(expressionValue(expression, values));
  const amount = amountOf(expression, values);
  if (isTrue === undefined || Number.isNaN(amount)) return NaN;
  if (isTrue) return Math.min(amount, 0);
  return amount > 0 ? amount : Number.MIN_VALUE;
}

function amountOf(expression: Expression, values: Values): number {
  switch (expression.type) {
    case 'and':
    case 'or': {
      const parts = [signed(expression.left, values), signed(expression.right, values)];
      return expression.type === 'and' ? largest(parts) : -largest(parts.map((part) => -part));
    }
    case 'not':
      return -signed(expression.operand, values);
    case 'compare':
      return largest(
        expression.rest.map(({ operator, operand }, i) => {
          const left = i === 0 ? expression.first : (expression.rest[i - 1]?.operand ?? expression.first);
          return difference(operator, left, operand, values);
        }),
      );
    default:
      return truthOf(expressionValue(expression, values)) === true ? -1 : 1;
  }
}

/** Of parts that must all be at most 0. One that is above decides, whatever the unknown ones are. */
function largest(parts: readonly number[]): number {
  const known = parts.filter((part) => !Number.isNaN(part));
  const most = Math.max(...known);
  return known.length === parts.length || most >= 0 ? most : NaN;
}

/** Of one comparison; −1 or 1 where it does not compare two numbers. */
function difference(operator: Comparison, left: Expression, right: Expression, values: Values): number {
  const a = expressionValue(left, values);
  const b = expressionValue(right, values);
  if (typeof a === 'number' && typeof b === 'number' && operator !== '!=') {
    // Two equal infinities have no difference that could be computed.
    const over = a === b ? 0 : a - b;
    return operator === '==' ? Math.abs(over) : operator === '>' || operator === '>=' ? -over : over;
  }
  const isTrue = truthOf(expressionValue({ type: 'compare', first: left, rest: [{ operator, operand: right }] }, values));
  return isTrue === undefined ? NaN : isTrue ? -1 : 1;
}
