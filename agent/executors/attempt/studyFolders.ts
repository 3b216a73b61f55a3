import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { AttemptKey } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';
import type { AttemptFiles } from '../executor.ts';

/** Where executors of this machine keep what belongs to attempts: `<home>/studies/<id>/trials/<number>/attempt-<n>/`. */
export class StudyFolders implements AttemptFiles {
  readonly #studiesDir: string;
  /** Tells the processes of one home from those of another on the same machine. */
  readonly homeMark: string;

  constructor(homeDir: string) {
    this.#studiesDir = join(homeDir, 'studies');
    this.homeMark = createHash('sha256').update(homeDir).digest('hex').slice(0, 12);
  }

  studyDir(studyId: string): string {
    if (!isStudyId(studyId)) throw new RangeError(`not the id of a study: ${studyId}`);
    return join(this.#studiesDir, studyId);
  }

  trialsDir(studyId: string): string {
    return join(this.studyDir(studyId), 'trials');
  }

  trialDir(key: AttemptKey): string {
    return join(this.trialsDir(key.studyId), String(key.trial));
  }

  attemptDir(key: AttemptKey): string {
    return join(this.trialDir(key), `attempt-${key.attempt}`);
  }

  /** Kept over the attempts of a trial. */
  checkpointDir(key: AttemptKey): string {
    return join(this.trialDir(key), 'checkpoint');
  }

  /** There when the study was cleaned up and its files were kept: its attempts are no longer listed. */
  cleanedFile(studyId: string): string {
    return join(this.trialsDir(studyId), cleanedName);
  }

  /** Whether nobody will adopt what comes late of it. */
  async isCleaned(disk: Files, studyId: string): Promise<boolean> {
    return (await disk.stat(this.cleanedFile(studyId))) !== null;
  }

  /** There where the study's attempts run in containers, and how. */
  containerFile(studyId: string): string {
    return join(this.studyDir(studyId), 'container.json');
  }

  /** There where the study's attempts run on a cluster, and how. */
  clusterFile(studyId: string): string {
    return join(this.studyDir(studyId), 'cluster.json');
  }

  /** Studies with a folder whose attempts run so. */
  async studiesOf(disk: Files, kind: 'processes' | 'containers' | 'pods'): Promise<string[]> {
    const studies = await this.studies(disk);
    const kinds = await Promise.all(studies.map((id) => this.#kindOf(disk, id)));
    return studies.filter((_id, i) => kinds[i] === kind);
  }

  async #kindOf(disk: Files, studyId: string): Promise<'processes' | 'containers' | 'pods'> {
    if ((await disk.stat(this.containerFile(studyId))) !== null) return 'containers';
    return (await disk.stat(this.clusterFile(studyId))) === null ? 'processes' : 'pods';
  }

  /** Studies with a folder. */
  async studies(disk: Files): Promise<string[]> {
    return (await disk.names(this.#studiesDir)).filter(isStudyId);
  }

  /** Attempts of a study with a folder; none when the study was cleaned up. */
  async attempts(disk: Files, studyId: string): Promise<AttemptKey[]> {
    const trialsDir = this.trialsDir(studyId);
    const entries = await disk.names(trialsDir);
    if (entries.includes(cleanedName)) return [];
    const keys: AttemptKey[] = [];
    for (const trial of entries.filter((name) => /^\d+$/.test(name))) {
      for (const folder of await disk.names(join(trialsDir, trial))) {
        const attempt = folder.match(/^attempt-(\d+)$/)?.[1];
        if (attempt !== undefined) keys.push({ studyId, trial: Number(trial), attempt: Number(attempt) });
      }
    }
    return keys;
  }

  /** Value of HPO_ATTEMPT_KEY in the environment of every process of the attempt. */
  mark(key: AttemptKey): string {
    return `${keyText(key)}@${this.homeMark}`;
  }

  /** The attempt of a mark of this home; null for any other text. */
  keyOf(mark: string): AttemptKey | null {
    const match = mark.match(/^([^/]+)\/(\d+)\/(\d+)@(\w+)$/);
    const [, studyId, trial, attempt, home] = match ?? [];
    if (studyId === undefined || home !== this.homeMark) return null;
    return { studyId, trial: Number(trial), attempt: Number(attempt) };
  }

  isMarkOfStudy(mark: string, studyId: string): boolean {
    return mark.startsWith(`${studyId}/`) && mark.endsWith(`@${this.homeMark}`);
  }
}

export function keyText({ studyId, trial, attempt }: AttemptKey): string {
  return `${studyId}/${trial}/${attempt}`;
}

/** Ids become folder names: nothing in them can lead elsewhere. */
export function isStudyId(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name);
}

/** Begins the names of work folders that are being made; what an agent that was killed left of them is removed with the copies. */
export const unfinishedWork = 'work-';

const cleanedName = '.cleaned';
