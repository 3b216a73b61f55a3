import { expect, test } from 'vitest';
import { simulateSeed } from '../simulation/agent/simulateSeed.ts';

/** Few, as they are lived once for each bug that they are to find; `test/simulation` lives thousands. */
const nSeeds = 12;

test('lives of the agent on a virtual machine break no promise', async () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { violations } = await simulateSeed(seed, 'local');
    expect(violations, `seed ${seed}`).toEqual([]);
  }
});

/** Lives in containers in which engines end with what runs on them, and do late what they were asked to. */
const dockerSeeds = [28, 2_006_002];

/** Lives in pods that are taken away, of studies that share the room of a cluster, and on a cluster that does late what it was asked to. */
const kubernetesSeeds = [4_000_017, 4_000_074, 4_000_104, 4_000_197, 4_000_264, 4_000_128, 4_000_004, 4_000_188, 4_003_918];

test('lives with attempts in pods break no promise', async () => {
  for (const seed of kubernetesSeeds) {
    const { violations } = await simulateSeed(seed, 'kubernetes');
    expect(violations, `seed ${seed}`).toEqual([]);
  }
});

test('lives with attempts in containers break no promise', async () => {
  for (const seed of dockerSeeds) {
    const { violations } = await simulateSeed(seed, 'docker');
    expect(violations, `seed ${seed}`).toEqual([]);
  }
});
