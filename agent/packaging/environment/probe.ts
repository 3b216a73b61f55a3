import { execa } from 'execa';
import type { MarkerVariables } from './requirement.ts';

/** What an interpreter says of itself. */
export interface Probe {
  /** Absolute; behind the launchers of version managers. */
  readonly executable: string;
  /** Such as `3.11.7`. */
  readonly version: string;
  readonly variables: MarkerVariables;
  /** Normalised name → version, of the packages that were asked for. */
  readonly installed: Readonly<Record<string, string>>;
}

/**
 * Starts the interpreter once and asks. Nothing of the user's is imported: the current folder is taken off the path
 * before anything is. `cwd` matters to version managers, which choose by folder.
 */
export async function probe(
  interpreter: string,
  packages: readonly string[],
  cwd: string,
): Promise<Probe | { readonly error: string }> {
  const result = await execa(interpreter, ['-c', questions, ...packages], {
    cwd,
    stdin: 'ignore',
    timeout: 20_000,
    reject: false,
  });
  const answer =
    typeof result.stdout === 'string' ? result.stdout.split('\n').findLast((line) => line.startsWith(mark)) : undefined;
  if (answer === undefined) {
    const why =
      result.stderr.trim().split('\n').at(-1) ||
      (result.shortMessage ?? '').replace(/: .*$/s, '') ||
      `exit code ${result.exitCode}`;
    return { error: result.timedOut ? 'does not answer' : 'code' in result && result.code === 'ENOENT' ? 'is not there' : why };
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the text is our own, written below
  return JSON.parse(answer.slice(mark.length)) as Probe;
}

const mark = 'hpo-probe:';
const questions = `
import sys
sys.path = [place for place in sys.path if place not in ("", ".")]
import json, os, platform
try:
    from importlib import metadata
except ImportError:
    metadata = None
installed = {}
for name in sys.argv[1:]:
    try:
        installed[name] = str(metadata.version(name))
    except Exception:
        pass
print("\\n${mark}" + json.dumps({
    "executable": sys.executable,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "installed": installed,
    "variables": {
        "python_version": "%d.%d" % sys.version_info[:2],
        "python_full_version": platform.python_version(),
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": platform.machine(),
        "platform_system": platform.system(),
        "platform_release": platform.release(),
        "platform_version": platform.version(),
        "platform_python_implementation": platform.python_implementation(),
        "implementation_name": sys.implementation.name if hasattr(sys, "implementation") else "",
        "implementation_version": platform.python_version(),
    },
}))
`;
