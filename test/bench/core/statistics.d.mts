export function mean(values: readonly number[]): number;
export function median(values: readonly number[]): number;
export function interval<T>(rows: readonly T[], statistic: (rows: readonly T[]) => number, draws?: number): [number, number];
export function ratio(pairs: readonly (readonly [number, number])[]): { value: number; interval: [number, number] };
export function ranks(values: readonly number[]): number[];
