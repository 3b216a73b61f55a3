import { describe, expect, test } from 'vitest';
import { readTraceback, tailLines } from '../../../../agent/core/study/traceback.ts';

const frames = (...files: readonly string[]) =>
  [
    'Traceback (most recent call last):',
    ...files.flatMap((file, i) => [`  File "${file}", line ${i + 1}, in f`, '    call()']),
  ].join('\n');

describe('the last exception of an output', () => {
  test.each([
    ['plain', `${frames('/x/train.py')}\nValueError: bad`, 'ValueError: bad', 'train.py', 1],
    ['no message', `${frames('/x/train.py')}\nKeyboardInterrupt`, 'KeyboardInterrupt', 'train.py', 1],
    ['a module in front', `${frames('/x/train.py')}\nnumpy.linalg.LinAlgError: singular`, 'LinAlgError: singular', 'train.py', 1],
    [
      'in a library: the line that called it',
      `${frames('/x/train.py', '/x/model.py', '/v/lib/python3.12/site-packages/torch/nn.py')}\nRuntimeError: shape`,
      'RuntimeError: shape',
      'model.py',
      2,
    ],
    ['only in a library', `${frames('/v/site-packages/a.py')}\nOSError: gone`, 'OSError: gone', 'a.py', 1],
    [
      'chained: the last',
      `${frames('/x/a.py')}\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\n${frames('/x/b.py')}\nValueError: 2`,
      'ValueError: 2',
      'b.py',
      1,
    ],
    ['text after it', `${frames('/x/train.py')}\nValueError: bad\nwandb: run finished`, 'ValueError: bad', 'train.py', 1],
    ['Windows lines', `${frames('C:\\x\\train.py')}\nValueError: bad`.replaceAll('\n', '\r\n'), 'ValueError: bad', 'train.py', 1],
    ['a script in a folder', `${frames('/copy/src/train.py')}\nValueError: bad`, 'ValueError: bad', 'src/train.py', 1],
  ])('%s', (name, output, error, file, line) => {
    expect(readTraceback(output, name === 'a script in a folder' ? 'src/train.py' : 'train.py')).toEqual({
      error,
      place: { file, line },
    });
  });

  test.each(['', 'done', 'ValueError: printed, not raised', 'loss=0.5\nerror: none'])('there is none in %j', (output) => {
    expect(readTraceback(output, 'train.py')).toBeNull();
  });

  test('long messages are cut', () => {
    expect(readTraceback(`${frames('/x/train.py')}\nValueError: ${'x'.repeat(9_000)}`, 'train.py')?.error.length).toBe(300);
    expect(tailLines(`${'y'.repeat(900)}\n\n  z  \r\n`, 3)).toEqual([`${'y'.repeat(200)}…`, 'z']);
  });
});
