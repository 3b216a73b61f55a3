import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import type { Driver } from './driver/driver.ts';
import type { TakeEvents } from './driver/turns.ts';
import { isStudyId, StudyFolders } from './executors/attempt/studyFolders.ts';
import { packHash, type PackContents, readPack, writePack } from './movePack.ts';
import type { SnapshotStore } from './packaging/snapshot.ts';
import { HpoError } from './protocol/errors.ts';
import type { JournalEntry, StudyEvent } from './protocol/events.ts';
import type { Requests } from './protocol/requests.ts';
import { exportHistory, historyLines, importHistory } from './store/index.ts';
import type { Clock } from './system/clock.ts';

export interface MovePorts {
  readonly home: string;
  /** See `homeId`. */
  readonly agentId: string;
  readonly driver: Pick<Driver, 'view' | 'views' | 'moveAway' | 'moveHere'>;
  readonly journal: { read(studyId: string, from: number): Iterable<JournalEntry> };
  readonly snapshots: Pick<SnapshotStore, 'verify' | 'hold'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Until the study begins here, executors touch nothing of it. */
  readonly leaveAlone: (studyId: string) => Promise<void>;
}

/** Bytes of a pack in one message, before base64. */
const chunkBytes = 1024 * 1024;

/** What a pack says of itself. */
const packHead = z.object({
  studyId: z.string(),
  snapshot: z.string(),
  events: z.number(),
  head: z.string(),
});

/**
 * Both sides of a study's move to another agent. The client carries it over: `pack` and `read` at the one, `write` and `unpack` at the
 * other, so that the other is known to be able to take it; then the one records that it has left (`leave`), and what came to it until
 * then goes over too; then the other takes it (`arrive`), in one append. Cut at any point, the study is at the one until `leave` and
 * waits for the other from then on; all can be done again.
 *
 * `moving/<study>/` of the home has what is packed, `arriving/<study>/` what was unpacked. Nothing there is the truth of anything.
 */
export class Moves {
  readonly #ports: MovePorts;
  readonly #folders: StudyFolders;

  constructor(ports: MovePorts) {
    this.#ports = ports;
    this.#folders = new StudyFolders(ports.home);
  }

  /** All of the study; `isRest`: only what has changed since the pack before. */
  async pack({ studyId, isRest }: Requests['move/pack']['params']): Promise<Requests['move/pack']['result']> {
    const view = this.#ports.driver.view(studyId);
    const folder = this.#movingDir(studyId);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const before = isRest ? await readContents(join(folder, 'contents.json')) : {};
    await using _held = this.#ports.snapshots.hold(view.spec.snapshot);
    const historyFile = join(folder, 'events.jsonl');
    writeFileSync(historyFile, '', { mode: 0o600 });
    const piece: string[] = [];
    const flush = (): void => appendFileSync(historyFile, piece.splice(0).join(''));
    const end = exportHistory(this.#ports.journal.read(studyId, 0), (line) => {
      if (piece.push(line) >= 1000) flush();
    });
    flush();
    const head = { studyId, snapshot: view.spec.snapshot, ...end };
    await writeFile(join(folder, 'move.json'), JSON.stringify(head), { mode: 0o600 });
    const file = this.#packFile(studyId);
    const contents = await writePack(
      file,
      [
        { path: join(folder, 'move.json'), name: 'move.json' },
        { path: historyFile, name: 'events.jsonl' },
        { path: this.#folders.studyDir(studyId), name: 'study' },
        { path: join(this.#ports.home, 'snapshots', view.spec.snapshot), name: 'snapshot' },
      ],
      before,
    );
    await writeFile(join(folder, 'contents.json'), JSON.stringify(contents), { mode: 0o600 });
    return { bytes: (await stat(file)).size, sha256: await packHash(file) };
  }

  async read({ studyId, offset }: Requests['move/read']['params']): Promise<Requests['move/read']['result']> {
    const file = await open(this.#packFile(studyId)).catch(() => null);
    if (file === null) throw notBegun(studyId);
    try {
      const bytes = Buffer.alloc(chunkBytes);
      const { bytesRead } = await file.read(bytes, 0, chunkBytes, offset);
      return { data: bytes.subarray(0, bytesRead).toString('base64') };
    } finally {
      await file.close();
    }
  }

  /** From `offset` 0 on a new pack begins. */
  async write({ studyId, offset, data }: Requests['move/write']['params']): Promise<Record<string, never>> {
    const folder = this.#arrivingDir(studyId);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = await open(join(folder, 'pack.tgz'), offset === 0 ? 'w' : 'r+', 0o600).catch(() => null);
    if (file === null) throw notBegun(studyId);
    try {
      await file.write(Buffer.from(data, 'base64'), 0, undefined, offset);
    } finally {
      await file.close();
    }
    return {};
  }

  /** `isRest`: over what an earlier one left. */
  async unpack({ studyId, sha256, isRest }: Requests['move/unpack']['params']): Promise<Requests['move/unpack']['result']> {
    const folder = this.#arrivingDir(studyId);
    const file = join(folder, 'pack.tgz');
    if ((await packHash(file).catch(() => '')) !== sha256)
      throw new HpoError(
        'HPO-2501',
        `what came of ${studyId} is not what was sent`,
        'move the study again: it stays where it was',
      );
    const content = join(folder, 'content');
    if (!isRest) await rm(content, { recursive: true, force: true });
    await mkdir(content, { recursive: true, mode: 0o700 });
    await readPack(file, content);
    await rm(file);
    // What it would say at its arrival it says now, while the study is still where it was.
    const known = [...this.#ports.journal.read(studyId, 0)];
    const { head, history } = await this.#readArriving(studyId);
    importHistory(studyId, historyLines(history), head, known, (known.at(-1)?.seq ?? 0) + 1);
    return { events: head.events };
  }

  /** Records that the study has left, where it has not; resolves when nothing of it is under way here any more. */
  async leave({ studyId, ...move }: Requests['move/leave']['params']): Promise<Record<string, never>> {
    await this.#ports.driver.moveAway(studyId, move);
    return {};
  }

  /** Takes the study that was unpacked last. Throws HPO-2507 where it is here already. */
  async arrive({ studyId, from }: Requests['move/arrive']['params']): Promise<Record<string, never>> {
    const { agentId, clock, driver, home, snapshots } = this.#ports;
    const { head, history } = await this.#readArriving(studyId);
    const take: TakeEvents = (known, nextSeq) => {
      const events = importHistory(studyId, historyLines(history), head, known, nextSeq);
      const last = events.at(-1);
      if (last?.type !== 'studyMovedAway' || last.agent !== agentId) throw notForUs(studyId, last);
      return [...events, { type: 'studyMovedHere', at: clock.now(), from, epoch: last.epoch }];
    };
    if (driver.views().some((view) => view.studyId === studyId && view.movedTo === null)) throw isHere(studyId);
    // Refused before anything is put into its place.
    const known = [...this.#ports.journal.read(studyId, 0)];
    take(known, (known.at(-1)?.seq ?? 0) + 1);
    const content = join(this.#arrivingDir(studyId), 'content');
    await using _held = snapshots.hold(head.snapshot);
    await this.#ports.leaveAlone(studyId);
    await putInPlace(join(content, 'snapshot'), join(home, 'snapshots', head.snapshot), 'keep');
    await snapshots.verify(head.snapshot);
    await putInPlace(join(content, 'study'), this.#folders.studyDir(studyId), 'replace');
    await driver.moveHere(studyId, take);
    return await this.done({ studyId });
  }

  /** From what this agent had of it when it left. Throws HPO-2507 where it is here. */
  async takeBack({ studyId, from }: Requests['move/takeBack']['params']): Promise<Record<string, never>> {
    const { clock, driver } = this.#ports;
    const { moves, movedTo } = driver.view(studyId);
    if (movedTo === null) throw isHere(studyId);
    await driver.moveHere(studyId, () => [{ type: 'studyMovedHere', at: clock.now(), from, epoch: moves + 1 }]);
    return await this.done({ studyId });
  }

  /** Nothing of a move is needed here any more. */
  async done({ studyId }: Requests['move/done']['params']): Promise<Record<string, never>> {
    for (const folder of [this.#movingDir(studyId), this.#arrivingDir(studyId)])
      await rm(folder, { recursive: true, force: true });
    return {};
  }

  async #readArriving(studyId: string): Promise<{ readonly head: z.infer<typeof packHead>; readonly history: string }> {
    const content = join(this.#arrivingDir(studyId), 'content');
    const text = await readFile(join(content, 'move.json'), 'utf8').catch(() => null);
    if (text === null) throw notBegun(studyId);
    const parsed = packHead.safeParse(JSON.parse(text));
    if (!parsed.success || parsed.data.studyId !== studyId) throw notBegun(studyId);
    return { head: parsed.data, history: await readFile(join(content, 'events.jsonl'), 'utf8') };
  }

  #packFile(studyId: string): string {
    return join(this.#movingDir(studyId), 'pack.tgz');
  }

  #movingDir(studyId: string): string {
    return this.#dirOf('moving', studyId);
  }

  #arrivingDir(studyId: string): string {
    return this.#dirOf('arriving', studyId);
  }

  #dirOf(kind: string, studyId: string): string {
    if (!isStudyId(studyId)) throw new HpoError('HPO-4004', `not the id of a study: ${studyId}`, 'list them with: hpo status');
    return join(this.#ports.home, kind, studyId);
  }
}

async function readContents(file: string): Promise<PackContents> {
  const parsed = z.record(z.string(), z.string()).safeParse(JSON.parse(await readFile(file, 'utf8').catch(() => '{}')));
  return parsed.success ? parsed.data : {};
}

/** By renaming. `keep`: what is there is the same. What is replaced is aside until the new is in its place. */
async function putInPlace(from: string, to: string, there: 'keep' | 'replace'): Promise<void> {
  const isThere = (await lstat(to).catch(() => null)) !== null;
  // After a cut it is in its place already.
  if ((await lstat(from).catch(() => null)) === null || (isThere && there === 'keep')) return;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  if (isThere) await rename(to, `${from}.before`);
  await rename(from, to);
  await rm(`${from}.before`, { recursive: true, force: true });
}

function notBegun(studyId: string): HpoError {
  return new HpoError('HPO-2506', `no move of ${studyId} is under way here`, `begin it again: hpo move ${studyId}`);
}

function isHere(studyId: string): HpoError {
  return new HpoError('HPO-2507', `the study ${studyId} is here already`, 'see how it stands with: hpo status');
}

function notForUs(studyId: string, last: StudyEvent | undefined): HpoError {
  return last?.type === 'studyMovedAway'
    ? new HpoError(
        'HPO-2508',
        `the study ${studyId} is on its way to ${last.to}, another agent`,
        'bring it there: hpo move STUDY --to PLACE',
      )
    : new HpoError('HPO-2508', `the study ${studyId} has not left its agent`, `begin again: hpo move ${studyId}`);
}
