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
  const answer = await ask(interpreter, questions, packages, cwd);
  if (typeof answer !== 'string') return answer;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the text is our own, written below
  return JSON.parse(answer) as Probe;
}

/** Everything that an interpreter has installed. */
export interface Inventory {
  readonly version: string;
  readonly packages: readonly {
    readonly name: string;
    readonly version: string;
    /** Where it came from when that was no index; empty for an index. */
    readonly url: string;
    /** Of a repository; empty for what comes from none. */
    readonly commit: string;
    readonly isEditable: boolean;
    /** The distribution's own package manager put it there. */
    readonly isOfSystem: boolean;
  }[];
}

/** Like `pip freeze`, without pip: starts the interpreter once and imports nothing of the user's. */
export async function listInstalled(interpreter: string, cwd: string): Promise<Inventory | { readonly error: string }> {
  const answer = await ask(interpreter, inventoryQuestions, [], cwd);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the text is our own, written below
  return typeof answer === 'string' ? (JSON.parse(answer) as Inventory) : answer;
}

/** The line that a program of ours prints behind the mark, or why there is none. */
async function ask(
  interpreter: string,
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<string | { readonly error: string }> {
  const result = await execa(interpreter, ['-c', program, ...args], {
    cwd,
    stdin: 'ignore',
    timeout: 20_000,
    reject: false,
  });
  const answer =
    typeof result.stdout === 'string' ? result.stdout.split('\n').findLast((line) => line.startsWith(mark)) : undefined;
  if (answer !== undefined) return answer.slice(mark.length);
  const why =
    result.stderr.trim().split('\n').at(-1) ||
    (result.shortMessage ?? '').replace(/: .*$/s, '') ||
    `exit code ${result.exitCode}`;
  return { error: result.timedOut ? 'does not answer' : 'code' in result && result.code === 'ENOENT' ? 'is not there' : why };
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

const inventoryQuestions = `
import sys
sys.path = [place for place in sys.path if place not in ("", ".")]
import json
try:
    from importlib import metadata
    distributions = list(metadata.distributions())
except ImportError:
    distributions = []
packages = {}
for distribution in distributions:
    name = distribution.metadata["Name"]
    if not name or name.lower() in packages:
        continue
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    except Exception:
        origin = {}
    place = str(getattr(distribution, "_path", ""))
    packages[name.lower()] = {
        "name": name,
        "version": str(distribution.version),
        "url": str(origin.get("url", "")),
        "commit": str(origin.get("vcs_info", {}).get("commit_id", "")),
        "isEditable": bool(origin.get("dir_info", {}).get("editable", False)) or place.endswith(".egg-info") and "-packages" not in place,
        "isOfSystem": "/dist-packages" in place and place.startswith("/usr/lib/"),
    }
print("\\n${mark}" + json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "packages": sorted(packages.values(), key=lambda package: package["name"].lower()),
}))
`;
