import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { expect } from 'vitest';
import { engineClient } from './docker.ts';
import { Hpo } from './hpo.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'environments');

/** One line of `hpo tune --json`, as far as the tests read it. */
interface Line {
  readonly type: string;
  readonly spec?: { readonly environment: { readonly reason: string }; readonly container?: { readonly image: Image } };
}

interface Image {
  readonly name: string;
  readonly recipe: string | null;
}

/** A study that has ended. */
export interface Tuned {
  readonly studyId: string;
  readonly reason: string;
  readonly image: Image;
  /** By number. */
  readonly trials: readonly {
    readonly state: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly values: Readonly<Record<string, number>>;
  }[];
}

/** The real command line on a git repository, as projects are, with a copy of a fixture project. */
export class EnvironmentProject extends Hpo {
  constructor(fixture: string | null = null, env: Readonly<Record<string, string>> = {}) {
    super(env);
    if (fixture !== null) cpSync(join(fixtures, fixture), this.project, { recursive: true });
    execFileSync('git', ['init', '-q'], { cwd: this.project });
  }

  /** Tunes in containers and waits for the end. */
  async tuneInContainers(script: string, trials: number, ...more: readonly string[]): Promise<Tuned> {
    const lines = await this.json<Line>(
      'tune',
      script,
      '--on',
      'docker',
      '-n',
      String(trials),
      '--parallel',
      '1',
      '--seed',
      '1',
      ...more,
    );
    expect(lines.at(-1)).toMatchObject({ type: 'studyEnded', trials: { complete: trials } });
    const spec = lines.find(({ type }) => type === 'studyCreated')?.spec;
    const { studyId } = lines.at(-1) as unknown as { studyId: string }; // as the contract of `studyEnded` says
    const image = spec?.container?.image;
    if (image === undefined) throw new Error(`${studyId} does not run in containers: ${JSON.stringify(spec)}`);
    return { studyId, reason: spec?.environment.reason ?? '', image, trials: await this.json('trials', studyId) };
  }

  /** Deletes the study, and then what no study needs: nothing with the label of this home is on the engine then. */
  async free(studyId: string): Promise<void> {
    expect(await this.run('delete', '--yes', studyId)).toMatchObject({ code: 0 });
    expect((await this.labelled()).filter((one) => one.startsWith('container'))).toEqual([]);
    await this.json('clean', '--images');
    expect(await this.labelled()).toEqual([]);
  }

  /** Also what a failed test left on the engine. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    const docker = engineClient();
    for (const name of await this.labelled()) {
      const [kind = '', id = ''] = name.split(' ');
      await (kind === 'container'
        ? docker.getContainer(id).remove({ force: true })
        : docker.getImage(id).remove({ force: true }));
    }
  }

  /** What carries the label of this home, as `container NAME` and `image NAME`. */
  async labelled(): Promise<readonly string[]> {
    const docker = engineClient();
    const filters = { label: [`hpo.home=${new StudyFolders(this.home).homeMark}`] };
    const [containers, images] = await Promise.all([
      docker.listContainers({ all: true, filters }),
      docker.listImages({ all: true, filters }),
    ]);
    return [
      ...containers.map(({ Names }) => `container ${Names[0]?.slice(1)}`),
      ...images.map(({ Id, RepoTags }) => `image ${RepoTags?.[0] ?? Id}`),
    ];
  }
}
