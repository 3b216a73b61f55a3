import { expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import { Disk } from './machine/disk.ts';

test.each([
  ['flushed', true, 100],
  ['not flushed', false, 10],
])('a cut of the power right after a file was %s', (_, isFlushed, nWhole) => {
  let whole = 0;
  for (let seed = 0; seed < 100; seed++) {
    const disk = new Disk(
      () => 0,
      () => 0,
    );
    disk.makeFolder('/home');
    disk.writeText('/home/a', 'what was written');
    if (isFlushed) disk.flush('/home/a');
    disk.rename('/home/a', '/home/b');
    disk.cutPower(createRng(seed, 0, 0));
    if (disk.readText('/home/b') === 'what was written') whole++;
  }
  if (isFlushed) expect(whole).toBe(nWhole);
  else expect(whole).toBeLessThan(100 - nWhole);
});
