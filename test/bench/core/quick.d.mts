export interface Band {
  readonly regret: number;
  readonly limit: number;
}
export const samplers: readonly string[];
export function readBands(): Record<string, Band>;
export function quickRegret(sampler: string, seed?: number): number;
export function fault(sampler: string, regret: number, bands: Record<string, Band>): string | null;
export function quick(options: { update: boolean }): boolean;
