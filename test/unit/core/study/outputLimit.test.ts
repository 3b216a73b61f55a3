import { expect, test } from 'vitest';
import { ended, Harness, spec } from './harness.ts';

test.each([
  [100 * 1024 ** 2, '100 MB'],
  [256 * 1024 ** 2, '256 MB'],
  [1.5 * 1024 ** 3, '1.5 GB'],
  [1023, '1023 B'],
  [1024, '1 KB'],
])('a limit of output of %d bytes is named as it was written: %s', (outputBytes, said) => {
  const h = new Harness(spec({ limits: { ...spec().limits, outputBytes } }));
  h.see({ type: 'outputLimit', number: 0, attempt: 1 }, ended(0, 1, { exitCode: null, signal: 'SIGKILL' }));
  expect(h.state.view.trials[0]?.failure?.message).toContain(` printed more than ${said}. `);
});
