// `npm test`: installs what the tests need and runs everything. Runs on any Node ≥ 20; the tests themselves on the project's own.
import { ensurePackages, runOrExit } from './setup.mjs';

ensurePackages();
runOrExit('node', ['.ci/runTests.mjs', ...process.argv.slice(2)]);
