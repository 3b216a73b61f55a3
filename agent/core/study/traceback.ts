export interface Traceback {
  /** The exception with its message: `ValueError: lr must be positive`. */
  readonly error: string;
  /** Innermost line of the user's own code, else of any code; null when none is named. */
  readonly place: { readonly file: string; readonly line: number } | null;
}

const maxErrorLength = 300;
const errorLine = /^([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Iteration|Fault))(?::\s*(.*))?$/;
const frameLine = /^\s+File "([^"]+)", line (\d+)/;

/**
 * The last Python exception in an output, with the place that the user can mend: frames of installed packages and of
 * Python itself are passed over. `script` (relative to the project) shortens the path of its copy. Null when there is none.
 */
export function readTraceback(output: string, script: string | null): Traceback | null {
  const lines = output.split(/\r?\n/);
  let errorAt = lines.length - 1;
  // Programs that log from several processes may print a little more after the exception.
  while (errorAt >= 0 && !isError(lines, errorAt)) errorAt--;
  if (errorAt < 0) return null;
  const [, name = '', text = ''] = errorLine.exec(lines[errorAt] ?? '') ?? [];
  const error = (text === '' ? name : `${name.split('.').at(-1) ?? name}: ${text}`).slice(0, maxErrorLength);
  let place: Traceback['place'] = null;
  for (let index = errorAt - 1; index >= 0; index--) {
    const line = lines[index] ?? '';
    if (line.startsWith('Traceback ')) break;
    const [, file, number] = frameLine.exec(line) ?? [];
    if (file === undefined) continue;
    const frame = { file: shorten(file, script), line: Number(number) };
    place ??= frame;
    if (!isForeign(file)) {
      place = frame;
      break;
    }
  }
  return { error, place };
}

/** The last lines that say something, at most `count`, each cut at 200 characters. */
export function tailLines(output: string, count: number): readonly string[] {
  const lines = output.split(/\r?\n|\r/).map((line) => line.trim());
  return lines
    .filter((line) => line !== '')
    .slice(-count)
    .map((line) => (line.length > 200 ? `${line.slice(0, 200)}…` : line));
}

/** An exception's line counts when a frame or a traceback stands somewhere above it: a printed "ValueError: 3" is none. */
function isError(lines: readonly string[], index: number): boolean {
  if (!errorLine.test(lines[index] ?? '')) return false;
  for (let above = index - 1; above >= 0 && above >= index - 200; above--) {
    const line = lines[above] ?? '';
    if (frameLine.test(line) || line.startsWith('Traceback ')) return true;
  }
  return false;
}

function isForeign(file: string): boolean {
  return /[\\/](?:site-packages|dist-packages|lib[\\/]python\d[^\\/]*)[\\/]|^</.test(file);
}

function shorten(file: string, script: string | null): string {
  if (script !== null && (file === script || file.endsWith(`/${script}`))) return script;
  return file.split(/[\\/]/).at(-1) ?? file;
}
