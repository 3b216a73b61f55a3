import { satisfies } from '../environment/versions.ts';
import type { Finding, Package } from './finding.ts';

/** CUDA that the wheels of torch on PyPI are made for, by torch's version, newest first. */
const torchCuda: readonly (readonly [specifiers: string, cuda: string])[] = [
  ['>=2.9', '12.8'],
  ['>=2.8,<2.9', '12.8'],
  ['>=2.7,<2.8', '12.6'],
  ['>=2.4,<2.5', '12.1'],
  ['>=2.5,<2.7', '12.4'],
  ['>=2.1,<2.4', '12.1'],
  ['>=2.0,<2.1', '11.7'],
];

/** The version of CUDA that an environment brings or asks for: by what says it most exactly. Null for none. */
export function cudaOf({ packages, sources = [], cuda = null }: Finding): string | null {
  const isWanted = packages.filter(({ marker }) => !/sys_platform\s*==\s*['"](?:win32|darwin)/.test(marker));
  return (
    runtimeOf(isWanted) ??
    localOf(isWanted) ??
    condaOf(isWanted) ??
    (cuda === null ? null : (usual[cuda] ?? cuda)) ??
    sources.map((source) => ofTag(/\/(cu\d{2,3}|cpu)(?:\/|$)/.exec(source)?.[1])).find((version) => version !== null) ??
    namedOf(isWanted) ??
    (sources.some((source) => /\/whl\/cpu(?:\/|$)/.test(source)) ? null : torchOf(isWanted))
  );
}

/** `nvidia-cuda-runtime-cu12` 12.4.127 → 12.4 */
function runtimeOf(packages: readonly Package[]): string | null {
  const runtime = packages.find(({ name, version }) => /^nvidia-cuda-runtime(?:-cu\d+)?$/.test(name) && version !== null);
  return majorMinor(runtime?.version ?? null);
}

/** torch 2.5.1+cu124 → 12.4 */
function localOf(packages: readonly Package[]): string | null {
  for (const { version } of packages) {
    const cuda = ofTag(/\+(cu\d{2,3})(?:$|\D)/.exec(version ?? '')?.[1]);
    if (cuda !== null) return cuda;
  }
  return null;
}

function condaOf(packages: readonly Package[]): string | null {
  for (const name of ['cuda-version', 'pytorch-cuda', 'cudatoolkit', 'cuda-toolkit', 'cuda-runtime', 'cuda']) {
    const found = packages.find((item) => item.origin === 'conda' && item.name === name);
    if (found === undefined) continue;
    const cuda = majorMinor(found.version ?? /\d+(?:\.\d+)?/.exec(found.specifiers)?.[0] ?? null);
    if (cuda !== null) return usual[cuda] ?? cuda;
  }
  return null;
}

/** What stands for a CUDA of which only the first number is known: within one number all work with each other. */
const usual: Readonly<Record<string, string>> = { '11': '11.8', '12': '12.4', '13': '13.0' };

/** `cupy-cuda12x`, `jax[cuda12]`, `nvidia-cublas-cu12`, `tensorflow[and-cuda]` */
function namedOf(packages: readonly Package[]): string | null {
  for (const { name, extras } of packages) {
    const [, number] = /^(?:cupy-cuda|jax-cuda|nvidia-[a-z-]+-cu)(\d{2})/.exec(name) ?? [];
    if (number !== undefined) return usual[number] ?? number;
    const [, extra] = /^cuda-?(\d{2})/.exec(extras.find((item) => item.startsWith('cuda')) ?? '') ?? [];
    if (extra !== undefined) return usual[extra] ?? extra;
    if (extras.includes('and-cuda')) return '12.4';
  }
  return null;
}

function torchOf(packages: readonly Package[]): string | null {
  const torch = packages.find(({ name, origin }) => name === 'torch' && origin === 'pypi');
  if (torch === undefined || torch.version?.includes('+cpu') === true) return null;
  if (torch.version === null) return '12.8';
  const { version } = torch;
  return torchCuda.find(([specifiers]) => satisfies(version, specifiers) === true)?.[1] ?? null;
}

/** cu124 → 12.4, cu92 → 9.2 */
function ofTag(tag: string | undefined): string | null {
  const digits = /^cu(\d+)(\d)$/.exec(tag ?? '');
  return digits === null ? null : `${digits[1]}.${digits[2]}`;
}

function majorMinor(version: string | null): string | null {
  return /^\d+(?:\.\d+)?/.exec(version ?? '')?.[0] ?? null;
}
