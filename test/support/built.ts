import { execFileSync } from 'node:child_process';

/** Before tests that start the real programs: makes dist/ where a source is newer. */
export default function setup(): void {
  execFileSync(process.execPath, ['.ci/build.mjs', '--if-needed'], { stdio: 'inherit' });
}
