import type { ParamValue } from '../../protocol/space.ts';
import { unreachable } from '../../protocol/view.ts';

/** An expression of the annotations (`when`, `where`, `constraint`), as `parseCondition` reads it. */
export interface Condition {
  readonly text: string;
  readonly root: Expression;
}

export type Expression =
  | { readonly type: 'literal'; readonly value: ParamValue }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'list'; readonly items: readonly Expression[] }
  | { readonly type: 'not'; readonly operand: Expression }
  | { readonly type: 'negate'; readonly operand: Expression }
  | {
      readonly type: 'arithmetic';
      readonly operator: '+' | '-' | '*' | '/';
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly type: 'compare';
      readonly first: Expression;
      readonly rest: readonly { readonly operator: Comparison; readonly operand: Expression }[];
    }
  | { readonly type: 'and' | 'or'; readonly left: Expression; readonly right: Expression };

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

/** Every name that the condition reads, each once, in order of appearance. */
export function conditionNames(condition: Condition): string[] {
  const names = new Set<string>();
  const visit = (expression: Expression): void => {
    switch (expression.type) {
      case 'literal':
        return;
      case 'name':
        names.add(expression.name);
        return;
      case 'list':
        expression.items.forEach(visit);
        return;
      case 'not':
      case 'negate':
        visit(expression.operand);
        return;
      case 'arithmetic':
      case 'and':
      case 'or':
        visit(expression.left);
        visit(expression.right);
        return;
      case 'compare':
        visit(expression.first);
        for (const { operand } of expression.rest) visit(operand);
        return;
    }
  };
  visit(condition.root);
  return [...names];
}

/**
 * Truth of a condition, or undefined when it depends on a name without a value (`False and x` does not).
 * Never throws: where Python would raise (text < number, division by zero), the comparison is false.
 */
export function evaluate(condition: Condition, values: Readonly<Record<string, ParamValue>>): boolean | undefined {
  return truthOf(expressionValue(condition.root, values));
}

type Value = ParamValue | undefined;

/** Undefined when it depends on a name without a value. */
export function expressionValue(expression: Expression, values: Readonly<Record<string, ParamValue>>): Value {
  switch (expression.type) {
    case 'literal':
      return expression.value;
    case 'name':
      return Object.hasOwn(values, expression.name) ? values[expression.name] : undefined;
    case 'list': {
      const items: ParamValue[] = [];
      for (const item of expression.items) {
        const value = expressionValue(item, values);
        if (value === undefined) return undefined;
        items.push(value);
      }
      return items;
    }
    case 'not': {
      const operand = truthOf(expressionValue(expression.operand, values));
      return operand === undefined ? undefined : !operand;
    }
    case 'negate': {
      const operand = expressionValue(expression.operand, values);
      return operand === undefined ? undefined : -toNumber(operand);
    }
    case 'arithmetic': {
      const left = expressionValue(expression.left, values);
      const right = expressionValue(expression.right, values);
      return left === undefined || right === undefined ? undefined : calculate(expression.operator, left, right);
    }
    case 'and':
    case 'or': {
      // Python returns the deciding operand. An unknown left side is decided by the right side where that alone suffices.
      const decides = expression.type === 'or';
      const left = expressionValue(expression.left, values);
      if (truthOf(left) === decides) return left;
      const right = expressionValue(expression.right, values);
      if (left === undefined) return truthOf(right) === decides ? right : undefined;
      return right;
    }
    case 'compare': {
      let isKnown = true;
      let left = expressionValue(expression.first, values);
      for (const { operator, operand } of expression.rest) {
        const right = expressionValue(operand, values);
        if (left === undefined || right === undefined) isKnown = false;
        else if (!compare(operator, left, right)) return false;
        left = right;
      }
      return isKnown ? true : undefined;
    }
    default:
      return unreachable(expression);
  }
}

/** Python's truth: empty, zero and None are false. NaN, the result of impossible arithmetic, is false here. */
export function truthOf(value: Value): boolean | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) return value.length > 0;
  return Boolean(value);
}

/** Booleans count as 0 and 1, as in Python; what is no number becomes NaN, which compares false with everything. */
function toNumber(value: ParamValue): number {
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : NaN;
}

function calculate(operator: '+' | '-' | '*' | '/', left: ParamValue, right: ParamValue): ParamValue {
  if (operator === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  const a = toNumber(left);
  const b = toNumber(right);
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return b === 0 ? NaN : a / b;
    default:
      return unreachable(operator);
  }
}

function compare(operator: Comparison, left: ParamValue, right: ParamValue): boolean {
  switch (operator) {
    case '==':
      return isSame(left, right);
    case '!=':
      return !isSame(left, right);
    case 'in':
      return isIn(left, right);
    case 'not in':
      return (Array.isArray(right) || typeof right === 'string') && !isIn(left, right);
    default: {
      if (typeof left === 'string' && typeof right === 'string') return isOrdered(operator, left, right);
      return isOrdered(operator, toNumber(left), toNumber(right));
    }
  }
}

function isOrdered<T extends number | string>(operator: '<' | '<=' | '>' | '>=', left: T, right: T): boolean {
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    default:
      return unreachable(operator);
  }
}

function isSame(left: ParamValue, right: ParamValue): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item: ParamValue, index) => isSame(item, right[index] ?? null));
  }
  if (typeof left === 'boolean' || typeof right === 'boolean') return left === right || toNumber(left) === toNumber(right);
  return left === right;
}

function isIn(left: ParamValue, right: ParamValue): boolean {
  if (Array.isArray(right)) return right.some((item: ParamValue) => isSame(left, item));
  return typeof left === 'string' && typeof right === 'string' && right.includes(left);
}
