import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeObjects } from '../../agent/executors/kubernetes/codeObjects.ts';
import { type ObjectPlace, splicedInputs, studyInputs } from '../../agent/executors/kubernetes/inputObjects.ts';
import { SnapshotStore } from '../../agent/packaging/snapshot.ts';
import { noFailpoints } from '../../agent/system/failpoints.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { TestNamespace } from '../support/cluster.ts';
import { ProjectFixture } from '../unit/packaging/projectFixture.ts';
import { openRealWorld } from './clusterWorld.ts';

let namespace: TestNamespace;
beforeAll(async () => {
  namespace = await TestNamespace.create();
}, 60_000);
afterAll(() => namespace[Symbol.asyncDispose]());

/** What is largest on its way, what is largest in the store, and what is neither. */
const units = ['\0', '\u001f', '"', '\n', 'x', '€', '\u{1f600}', Buffer.of(0xff), Buffer.of(0xc3, 0x28)];

test('the API server takes whatever is in the files of a study, up to the size that is said to travel', async () => {
  await using world = await openRealWorld('', namespace);
  await using cluster = await world.connect();
  const owner = await cluster.create('ConfigMap', { metadata: { name: `${world.prefix}owner` } });
  const { uid = '' } = owner.object.metadata ?? {};
  const place: ObjectPlace = {
    studyName: `${world.prefix}s`,
    labels: world.labels,
    owner: { apiVersion: 'v1', kind: 'ConfigMap', name: `${world.prefix}owner`, uid },
  };
  const file = fc.record({
    unit: fc.constantFrom(...units),
    bytes: fc.oneof(fc.constantFrom(899_996, 450_000, 0), fc.nat(400_000)),
    head: fc.uint8Array({ maxLength: 4 }),
  });
  let nTried = 0;
  const check = fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 4 }), async (files) => {
    using project = new ProjectFixture({ 'train.py': '' });
    const contents = files.map(({ unit, bytes, head }) => {
      const one = Buffer.from(unit);
      return Buffer.concat([head, Buffer.alloc(Math.floor(bytes / one.length) * one.length, one)]);
    });
    for (const [i, content] of contents.entries()) writeFileSync(join(project.root, `f${i}.dat`), content);
    const store = new SnapshotStore(project.storeDir);
    const { hash } = await store.take({ root: project.root, mustHave: ['train.py'], allowLarge: true });
    const code = studyInputs(place, await codeObjects(nodeSystem(noFailpoints).files, await store.mountPlan(hash)));
    const spliced = splicedInputs(
      place,
      `${world.prefix}t${nTried++}`,
      contents.map((content, i) => ({ path: join('a', `${i}`), content: content.toString() })),
    );
    for (const configMap of [...code.configMaps, ...spliced.configMaps]) {
      const { object } = await cluster.create('ConfigMap', configMap);
      expect(object.data ?? {}).toEqual(configMap.data ?? {});
      expect(object.binaryData ?? {}).toEqual(configMap.binaryData ?? {});
    }
    for (const { metadata } of [...code.configMaps, ...spliced.configMaps])
      await cluster.remove('ConfigMap', metadata?.name ?? '');
  });
  await fc.assert(check, {
    numRuns: units.length + 8,
    examples: units.map((unit) => [[{ unit, bytes: 899_996, head: Buffer.of() }]]),
  });
}, 120_000);
