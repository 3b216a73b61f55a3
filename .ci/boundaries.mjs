// Proves that the gate between folders closes: plants an import that the architecture forbids and expects the type check to refuse it.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, root } from './setup.mjs';

const violations = [
  {
    file: 'agent/core/space/planted.ts',
    text: "import '../../driver/ports.ts';\n",
    project: 'agent/core/space',
    expected: 'TS6307',
  },
  { file: 'agent/core/study/planted.ts', text: "import 'node:fs';\n", project: 'agent/core/study', expected: 'TS2' },
  { file: 'agent/driver/planted.ts', text: "import '../store/index.ts';\n", project: 'agent/driver', expected: 'TS6307' },
  {
    file: 'agent/preflight/cluster/planted.ts',
    text: "import '../../store/index.ts';\n",
    project: 'agent/preflight',
    expected: 'TS6307',
  },
  { file: 'webview/planted.ts', text: "import '../extension/main.ts';\n", project: 'webview', expected: 'TS' },
];

let isEveryOneRefused = true;
for (const { file, text, project, expected } of violations) {
  const path = join(root, file);
  writeFileSync(path, text);
  try {
    const { status, stdout } = spawnSync('tsc', ['-b', project], { cwd: root, env: environment(), encoding: 'utf8' });
    if (status === 0 || !stdout.includes('planted.ts') || !stdout.includes(expected)) {
      isEveryOneRefused = false;
      console.log(`a forbidden import was not refused: ${file}: ${text.trim()}\n${stdout}`);
    }
  } finally {
    rmSync(path);
  }
}
process.exitCode = isEveryOneRefused ? 0 : 1;
