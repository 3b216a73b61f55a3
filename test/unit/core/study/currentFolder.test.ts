import { expect, test } from 'vitest';
import { ended, Harness, spec } from './harness.ts';

const said = (file: string) => `FileNotFoundError: [Errno 2] No such file or directory: '${file}'`;
const told =
  /\(sub\/train\.py, line 3\)\. The current folder of a trial is the project's \(\/project\), not the script's: .*write "sub\/d\.csv", or Path\(__file__\)\.parent \/ "d\.csv"/;
const usual = /See the trial's log/;

test.each<[error: string, script: string, message: RegExp]>([
  [said('d.csv'), 'sub/train.py', told],
  [said('./d.csv'), 'sub/train.py', told],
  [said('sub/d.csv'), 'sub/train.py', usual],
  [said('/data/d.csv'), 'sub/train.py', usual],
  [said('d.csv'), 'train.py', usual],
  ['ValueError: d.csv', 'sub/train.py', usual],
])('%s of %s says where files are looked for', (error, script, message) => {
  const h = new Harness(spec({ script }));
  h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
  const outputTail = `Traceback (most recent call last):\n  File "/a/work/${script}", line 3, in <module>\n    fit()\n${error}\n`;
  h.see(ended(0, 1, { exitCode: 1, outputTail }));
  expect(h.state.view.trials[0]?.attempts[0]?.failure).toMatchObject({
    code: 'HPO-3001',
    message: expect.stringMatching(message),
  });
});
