/**
 * The seven faults, the last in two ways. Each is done in the same way to whatever keeps the study, and resolves with what was counted, one object a
 * repetition. A study is continued as its documentation says: by itself where it does that, else by starting it again.
 */
import { mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createRng } from '../../../agent/core/math/index.ts';
import { keyOf } from './ledger.mjs';

export const nTrials = 25;
/** A study that evaluates nothing for so long has stopped. */
const stalledMs = 60_000;
const maxStarts = 3;

export const scenarios = [
  { name: 'killed at trial 18 and resumed', seeds: [1, 2, 3], run: killedAt18 },
  { name: '12 random kills', seeds: [1, 2], run: randomKills },
  { name: 'stale lock', seeds: [1, 2], run: staleLock },
  { name: 'cut journal', seeds: [1, 17, 60, 4097], run: cutJournal },
  { name: 'full disk', seeds: [1, 2, 3], run: fullDisk },
  { name: 'flipped byte', seeds: Array.from({ length: 12 }, (_, i) => i + 1), run: flippedByte },
  { name: '1 against 4 workers as trials come', seeds: [1, 2], run: workers },
  { name: '1 against 4 workers in batches of 4', seeds: [1, 2], run: workersInBatches },
];

/** Runs a scenario for one system; `folder` is empty and its own, `undisturbed` what studies without a fault came to, by seed. */
export async function perform(scenario, system, folder, undisturbed) {
  const context = { system, folder, undisturbed, base: null };
  const counted = [];
  for (const seed of scenario.seeds) counted.push(await scenario.run(context, seed));
  return counted;
}

async function killedAt18(context, seed) {
  const study = open(context, seed);
  const random = createRng(seed, 18);
  await study.start();
  await mustReach(study, 'begun', 18);
  await delay(random.next() * 200);
  await study.kill();
  const isAlone = await goesOn(study);
  const starts = await finish(study, !isAlone);
  return { ...(await account(context, study, seed)), byItself: isAlone, starts };
}

async function randomKills(context, seed) {
  const study = open(context, seed);
  const random = createRng(seed, 12);
  await study.start();
  let nKills = 0;
  let nAlone = 0;
  for (let begun = 1; nKills < 12; begun = study.ledger.count('begun') + 1) {
    const isOn = await study.ledger.reaches('begun', begun, stalledMs);
    if (!isOn) break;
    await delay(100 + random.next() * 500);
    await study.kill();
    nKills++;
    const isAlone = await goesOn(study);
    if (isAlone) nAlone++;
    else if ((await study.outcome())?.ended) break;
    else await study.start();
  }
  const starts = await finish(study, false);
  return { ...(await account(context, study, seed)), byItself: nAlone === nKills, starts, kills: nKills };
}

async function staleLock(context, seed) {
  const study = open(context, seed);
  await study.start();
  await mustReach(study, 'done', 8);
  await study.killAll();
  await study.leaveLock();
  const begun = study.ledger.count('begun');
  const startedAt = performance.now();
  await study.start();
  const isOn = await study.ledger.reaches('begun', begun + 1, stalledMs);
  const seconds = (performance.now() - startedAt) / 1000;
  const starts = await finish(study, false);
  return { ...(await account(context, study, seed)), byItself: isOn, starts, seconds };
}

/** `bytes` are missing at the end of the file that was written to last. */
async function cutJournal(context, bytes) {
  context.base ??= await killedAfter(context, 10);
  const study = copyOf(context, `cut-${bytes}`);
  const { last } = study.files;
  const { length } = readFileSync(last);
  truncateSync(last, Math.max(0, length - bytes));
  const { error } = await study.read();
  const isRepaired = error !== null && (await study.repair());
  const { trials } = await study.read();
  const starts = await finish(study, true);
  const readable = trials.filter(({ state, point }) => state === 'complete' && context.base.complete.has(keyOf(point))).length;
  return { ...(await account(context, study, 1)), starts, readable, of: context.base.complete.size, isRepaired, error };
}

/** The study is on a disk of its own, of which something else leaves it a few kB; after a while there is room again. */
async function fullDisk(context, seed) {
  const disk = mkdtempSync(join(context.folder, 'disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
  try {
    const study = open(context, seed, { home: join(disk, 'home') });
    await study.start();
    await mustReach(study, 'done', 10);
    fill(join(disk, 'filler'));
    // A page or more for the study itself to fill up: its last write may be a short one.
    truncateSync(join(disk, 'filler'), statSync(join(disk, 'filler')).size - 4096 * seed);
    await delay(6_000);
    const begun = study.ledger.count('begun');
    writeFileSync(join(disk, 'filler'), '');
    const isAlone = await goesOn(study, begun);
    const { error } = isAlone ? { error: null } : await study.read();
    const starts = await finish(study, !isAlone);
    const counted = { ...(await account(context, study, seed)), byItself: isAlone, starts, error };
    await study.close();
    return counted;
  } finally {
    execFileSync('umount', ['-l', disk]);
  }
}

/** One bit anywhere in the file of a finished study. */
async function flippedByte(context, seed) {
  if (context.base === null) {
    const study = open(context, 1);
    await study.start();
    await finish(study, false);
    const { trials } = await study.read();
    await study.close();
    context.base = { study, trials };
    const whole = copyOf(context, 'whole');
    if (await whole.isDamageSeen()) throw new Error('the check sees damage where there is none');
    await whole.close();
  }
  const study = copyOf(context, `flip-${seed}`);
  const random = createRng(seed, 0xf11b);
  const content = readFileSync(study.files.main);
  const at = random.int(content.length);
  content[at] ^= 1 << random.int(8);
  writeFileSync(study.files.main, content);
  const { trials, error } = await study.read();
  const isSeen = error !== null || (await study.isDamageSeen());
  const right = countRight(context.base.trials, trials);
  await study.repair();
  const mended = countRight(context.base.trials, (await study.read()).trials);
  await study.close();
  // Wrong without a word: trials differ from what was recorded, or are missing, and neither reading nor the check says so.
  return {
    expected: nTrials,
    finished: right,
    mended,
    isSeen,
    isSilent: !isSeen && right < nTrials,
    isReadable: error === null,
    error,
  };
}

/** Trials that are what they were; one more than there were makes none of them right. */
function countRight(recorded, trials) {
  const same = new Set(recorded.map((trial) => JSON.stringify(trial)));
  return trials.length > recorded.length ? 0 : trials.filter((trial) => same.has(JSON.stringify(trial))).length;
}

/** The same seed with one worker and with four: what is known when a point is drawn depends on who ends first. */
async function workers(context, seed) {
  return compareWorkers(context, seed, { hasLiar: true });
}

/** The same, where each side decides four points together: `--batch 4`, and four times `ask`, told in their order. */
async function workersInBatches(context, seed) {
  return compareWorkers(context, seed, { hasLiar: true, batch: 4 });
}

async function compareWorkers(context, seed, options) {
  const four = open(context, seed, { ...options, workers: 4 });
  await four.start();
  const starts = await finish(four, false);
  return { ...(await account(context, four, seed, { ...options, workers: 1 })), starts };
}

function open({ system, folder }, seed, options = {}) {
  return system.study(mkdtempSync(join(folder, 'study-')), { seed, trials: nTrials, ...options });
}

function copyOf({ folder, base }, name) {
  const copy = join(folder, name);
  copyFolder(base.study.folder, copy);
  return base.study.copied(copy);
}

/** With modes, times and links as they are. */
function copyFolder(from, to) {
  execFileSync('cp', ['-a', from, to]);
}

/** A study that was killed just after it had recorded something. */
async function killedAfter(context, n) {
  const study = open(context, 1);
  await study.start();
  await mustReach(study, 'done', n);
  await study.killAll();
  const done = new Set(
    study.ledger
      .lines()
      .filter(({ phase }) => phase === 'done')
      .map(({ point }) => keyOf(point)),
  );
  const copy = join(context.folder, 'base-read');
  copyFolder(study.folder, copy);
  const reader = study.copied(copy);
  const { trials } = await reader.read();
  await reader.close();
  // Those that were begun after the kill are not meant.
  const complete = trials.filter(({ state }) => state === 'complete').map(({ point }) => keyOf(point));
  return { study, complete: new Set(complete.filter((point) => done.has(point))) };
}

async function mustReach(study, phase, n) {
  if (await study.ledger.reaches(phase, n, stalledMs)) return;
  throw new Error(`an undisturbed study did not get so far: ${JSON.stringify(await study.outcome())}`);
}

/** Whether anything is evaluated after a fault without anyone doing anything. Where no process is left, nothing will be. */
async function goesOn(study, begun = study.ledger.count('begun')) {
  return study.ledger.reaches('begun', begun + 1, stalledMs, () => !study.hasProcess);
}

/** Waits for the end; a study that has stopped is started again a few times. Resolves with how often it was. */
async function finish(study, isStopped) {
  let starts = 0;
  if (isStopped) {
    starts++;
    await study.start();
  }
  for (let seen = -1, since = performance.now(); ; ) {
    const outcome = await study.outcome();
    if (outcome?.ended) return starts;
    const begun = study.ledger.count('begun');
    if (begun !== seen) {
      seen = begun;
      since = performance.now();
    }
    const isOver = outcome !== null || performance.now() - since > stalledMs;
    if (isOver && starts >= maxStarts) return starts;
    if (isOver) {
      starts++;
      await study.kill().catch(() => {});
      await study.start();
      since = performance.now();
    }
    await delay(200);
  }
}

/** What there is in the end, against what the evaluations themselves say they did and against an undisturbed run. */
async function account(context, study, seed, options = {}) {
  const expected = await undisturbedPoints(context, seed, options);
  const { trials, error } = await study.read();
  await study.close();
  const complete = trials.filter(({ state }) => state === 'complete');
  const results = new Set(complete.map(({ point }) => keyOf(point)));
  const lines = study.ledger.lines();
  const begun = new Set(lines.filter(({ phase }) => phase === 'begun').map(({ point }) => keyOf(point)));
  const done = new Map();
  for (const { phase, point } of lines) if (phase === 'done') done.set(keyOf(point), (done.get(keyOf(point)) ?? 0) + 1);
  return {
    expected: nTrials,
    finished: complete.length,
    /** Points whose evaluation began, and whose result the study does not have. */
    lost: [...begun].filter((point) => !results.has(point)).length,
    /** Evaluations that came to their end once more. */
    repeated: [...done.values()].reduce((sum, n) => sum + n - 1, 0),
    /** Points with more than one result. */
    doubled: complete.length - results.size,
    stuck: trials.filter(({ state }) => state === 'running' || state === 'waiting').length,
    same: expected.filter((point) => results.has(point)).length,
    isReadable: error === null,
    error,
  };
}

async function undisturbedPoints(context, seed, options) {
  const key = JSON.stringify([seed, options]);
  if (!context.undisturbed.has(key)) {
    const study = open(context, seed, options);
    await study.start();
    await finish(study, false);
    const { trials } = await study.read();
    await study.close();
    context.undisturbed.set(
      key,
      trials.filter(({ state }) => state === 'complete').map(({ point }) => keyOf(point)),
    );
  }
  return context.undisturbed.get(key);
}

/** Takes all the room there is. */
function fill(path) {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4096'], { stdio: 'ignore' });
  } catch {
    // It ends with an error once nothing more fits.
  }
}
