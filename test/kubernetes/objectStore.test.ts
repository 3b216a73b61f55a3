import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AttemptStart } from '../../agent/executors/executor.ts';
import type { AttemptKey, CheckpointStore } from '../../agent/protocol/study.ts';
import { attemptOf, eventually, key, Observer } from '../contract/executorSuite.ts';
import { ensureNodeImage } from '../support/cluster.ts';
import { startObjectStore, type TestObjectStore } from '../support/objectStore.ts';
import { openPodPlace, openPodWorld, type PodPlace, type PodWorld } from './executorWorld.ts';

let place: PodPlace;
let store: TestObjectStore;
let checkpoints: CheckpointStore;
beforeAll(async () => {
  place = await openPodPlace(await ensureNodeImage('python'));
  const { namespace } = place;
  // Nodes are on this machine, and pods reach them.
  const path = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}';
  store = await startObjectStore(await namespace.kubectl('get', 'nodes', '--output', `jsonpath=${path}`));
  const secret = async (name: string, keys: TestObjectStore['keys']): Promise<void> => {
    const words = Object.entries(keys).map(([word, value]) => `--from-literal=${word}=${value}`);
    await namespace.kubectl('create', 'secret', 'generic', name, ...words);
  };
  await secret('keys', store.keys);
  await secret('wrong', { ...store.keys, AWS_SECRET_ACCESS_KEY: 'not-it' });
  const { bucket, endpoint } = store;
  checkpoints = { type: 's3', bucket, prefix: 'mine/a b', region: 'us-east-1', endpoint, secret: 'keys', image: null };
}, 900_000);
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

/** Twelve steps of a sum, each saved whole; `first` and `fork` say what was there. It is slow once five are done. */
const program = `
import json, os, sys, time
folder = os.environ["HPO_CHECKPOINT_DIR"]
path = os.path.join(folder, "deep", "state.json")
state = json.load(open(path)) if os.path.exists(path) else {"step": 0, "sum": 0}
print("from", state["step"], flush=True)
while state["step"] < 12:
    state = {"step": state["step"] + 1, "sum": state["sum"] * 3 + state["step"]}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    os.replace(path + ".new", path)
    if state["step"] == 5 and sys.argv[1] == "slow":
        print("half", flush=True)
        time.sleep(600)
print("sum", state["sum"], flush=True)
`;

function summing(world: PodWorld, of: AttemptKey, more: Partial<AttemptStart> & { readonly pace?: string } = {}): AttemptStart {
  const { pace = 'fast', ...rest } = more;
  return attemptOf(world, [], { key: of, command: ['python3', '-c', program, pace], checkpointDir: 'ckpt', ...rest });
}

const id = 'study-s3';
const of = (trial: number, attempt = 1): AttemptKey => key(trial, attempt, id);

it.concurrent('goes on where a pod was that is gone, begins forks with the checkpoint of another trial, and leaves no object', async () => {
  await using world = await openPodWorld(place);
  await world.prepare(id, { cluster: { checkpoints } });
  const observer = new Observer();
  await using executor = world.connect(observer);
  await executor.start(summing(world, of(0)));
  await executor.start(summing(world, of(1), { pace: 'slow' }));
  await eventually(async () => (await world.read(of(1), 'out')).includes('half'), 'it is at its fifth step');
  const prefix = `mine/a b/hpo-${world.files.homeMark}/${id}`;
  await eventually(async () => (await store.names()).some((name) => name.startsWith(`${prefix}/1/`)), 'it is sent while it runs');
  await place.namespace.kubectl(
    'delete',
    'pods',
    '--selector',
    `hpo.trial=1,hpo.home=${world.files.homeMark}`,
    '--grace-period=0',
    '--force',
    '--wait=false',
  );
  expect(await observer.ending(of(1))).toMatchObject({ isPreempted: true });
  await executor.start(summing(world, of(1, 2)));
  for (const one of [of(0), of(1, 2)]) expect(await observer.ending(one)).toMatchObject({ exitCode: 0 });
  const undisturbed = await world.read(of(0), 'out');
  const sum = undisturbed.replace('from 0\n', '');
  expect(undisturbed).toMatch(/^from 0\nsum \d+\n$/);
  expect(await world.read(of(1, 2), 'out')).toBe(`from 5\n${sum}`);
  // What a program saved last is there as soon as its end is told, and what it had begun with is no other's.
  await executor.start(summing(world, of(2), { checkpointFrom: 1 }));
  await executor.start(summing(world, of(3), { checkpointFrom: 9 }));
  for (const trial of [2, 3]) expect(await observer.ending(of(trial))).toMatchObject({ exitCode: 0 });
  expect(await world.read(of(2), 'out')).toBe(`from 12\n${sum}`);
  expect(await world.read(of(3), 'out')).toBe(undisturbed);
  const names = (await store.names()).filter((name) => name.startsWith(prefix));
  expect(new Set(names.map((name) => name.slice(0, prefix.length + 2)))).toEqual(
    new Set([0, 1, 2, 3].map((trial) => `${prefix}/${trial}`)),
  );
  for (let attempt = 3; attempt < 6; attempt++) {
    const command = ['sh', '-c', `echo ${attempt} >ckpt/more`];
    await executor.start(attemptOf(world, [], { key: of(1, attempt), command, checkpointDir: 'ckpt' }));
    expect(await observer.ending(of(1, attempt))).toMatchObject({ exitCode: 0 });
  }
  expect((await store.names()).filter((name) => name.startsWith(`${prefix}/1/`))).toEqual([
    expect.stringMatching(/\/1\/000004-00000000-[0-9a-f]{64}\.tar\.gz$/),
    expect.stringMatching(/\/1\/000005-00000000-[0-9a-f]{64}\.tar\.gz$/),
  ]);
  // A study that has ended keeps what it saved until it is deleted.
  const kept = (await store.names()).filter((name) => name.startsWith(prefix));
  await executor.cleanup(id, { removeFiles: false });
  expect((await store.names()).filter((name) => name.startsWith(prefix))).toEqual(kept);
  await executor.cleanup(id, { removeFiles: true });
  expect((await store.names()).filter((name) => name.startsWith(prefix))).toEqual([]);
  expect(await world.left()).toEqual(expect.not.arrayContaining([expect.stringContaining(id)]));
}, 300_000);

it.concurrent('sends what a program saves when it is told to end', async () => {
  await using world = await openPodWorld(place);
  await world.prepare(id, { cluster: { checkpoints } });
  const observer = new Observer();
  await using executor = world.connect(observer);
  const saving = 'trap "echo saved >ckpt/last; exit 0" TERM; echo ready; while :; do sleep 0.1; done';
  const run = { command: ['sh', '-c', saving], checkpointDir: 'ckpt', graceMs: 5_000 };
  const reads = { command: ['sh', '-c', 'cat ckpt/last'], checkpointDir: 'ckpt' };
  for (const trial of [0, 1]) await executor.start(attemptOf(world, [], { key: of(trial), ...run }));
  for (const trial of [0, 1]) await eventually(async () => (await world.read(of(trial), 'out')) === 'ready\n', 'it runs');
  await place.namespace.kubectl('delete', 'pods', '--selector', `hpo.trial=0,hpo.home=${world.files.homeMark}`, '--wait=false');
  await executor.stop(of(1), 5_000);
  expect(await observer.ending(of(0))).toMatchObject({ isPreempted: true });
  expect(await observer.ending(of(1))).toMatchObject({ isPreempted: false });
  for (const trial of [0, 1]) {
    await executor.start(attemptOf(world, [], { key: of(trial, 2), ...reads }));
    expect(await observer.ending(of(trial, 2))).toMatchObject({ exitCode: 0 });
    expect(await world.read(of(trial, 2), 'out')).toBe('saved\n');
  }
}, 300_000);

it.concurrent('keeps the keys from programs, and says what is wrong with a store or an image', async () => {
  await using world = await openPodWorld(place);
  const shell = await ensureNodeImage('debian');
  await world.prepare('study-s3', { cluster: { checkpoints } });
  await world.prepare('study-wrong', { cluster: { checkpoints: { ...checkpoints, secret: 'wrong' } as CheckpointStore } });
  await world.prepare('study-shell', {
    container: { image: { name: shell, id: shell, recipe: null } },
    cluster: { checkpoints },
  });
  await world.prepare('study-other', {
    container: { image: { name: shell, id: shell, recipe: null } },
    cluster: { checkpoints: { ...checkpoints, image: place.image } as CheckpointStore },
  });
  const observer = new Observer();
  await using executor = world.connect(observer);
  const secret = store.keys.AWS_SECRET_ACCESS_KEY;
  const command = [
    'sh',
    '-c',
    'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\000" "\\n" | grep -E "AWS|HPO_TRIAL" | sort -u; find / -name "AWS*" 2>/dev/null; echo end',
  ];
  for (const study of ['s3', 'wrong', 'shell', 'other'])
    await executor.start(attemptOf(world, [], { key: key(0, 1, `study-${study}`), command, checkpointDir: 'ckpt' }));
  const ending = async (study: string): Promise<unknown> => await observer.ending(key(0, 1, `study-${study}`));
  for (const study of ['s3', 'other']) {
    expect(await ending(study)).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(0, 1, `study-${study}`), 'out')).toBe('HPO_TRIAL=0\nend\n');
  }
  expect(secret).not.toBe('');
  expect(await ending('wrong')).toMatchObject({
    exitCode: null,
    detail: expect.stringMatching(/fetched: .*403 SignatureDoesNotMatch/),
  });
  expect(await ending('shell')).toMatchObject({ exitCode: null, detail: expect.stringMatching(/has no python3.*image=/) });
}, 300_000);

it.concurrent('goes on from the checkpoint before one that is damaged, and says so; without any that is whole it says what is wrong', async () => {
  await using world = await openPodWorld(place);
  const study = 'study-damaged';
  await world.prepare(study, { cluster: { checkpoints } });
  const observer = new Observer();
  await using executor = world.connect(observer);
  const run = async (attempt: number, script: string): Promise<unknown> => {
    const one = key(0, attempt, study);
    await executor.start(attemptOf(world, [], { key: one, command: ['sh', '-c', script], checkpointDir: 'ckpt' }));
    return await observer.ending(one);
  };
  const names = async () => (await store.names()).filter((name) => name.includes(`hpo-${world.files.homeMark}/${study}/`));
  for (const attempt of [1, 2]) expect(await run(attempt, `echo ${attempt} >ckpt/state`)).toMatchObject({ exitCode: 0 });
  const [first = '', second = ''] = await names();
  await store.damage(second);
  expect(await run(3, 'cat ckpt/state')).toMatchObject({ exitCode: 0 });
  const said = await world.read(key(0, 3, study), 'out');
  expect(said).toBe(`hpo: ${second} is damaged (its SHA-256 is another); the checkpoint before it is used: ${first}\n1\n`);
  for (const name of await names()) if (name === first || !name.includes('/000002-')) await store.damage(name);
  expect(await run(4, 'cat ckpt/state')).toMatchObject({
    exitCode: null,
    detail: expect.stringMatching(/no checkpoint is whole: .*its SHA-256 is another/),
  });
}, 300_000);
