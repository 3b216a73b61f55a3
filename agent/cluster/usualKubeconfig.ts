import { homedir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { HpoError } from '../protocol/errors.ts';

export interface KubeconfigOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home folder of the user; the real one by default. */
  readonly homeDir?: string;
}

/**
 * Where kubectl looks: the files of KUBECONFIG, else the one in the home folder. Rejects what a project could bring (HPO-2460): a
 * path that is not absolute, as it would count from the current folder.
 */
export function usualKubeconfig({ environment, homeDir = homedir() }: KubeconfigOptions): readonly string[] {
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  if (listed.length === 0) return [join(homeDir, '.kube', 'config')];
  const relativeOne = listed.find((path) => !isAbsolute(path));
  if (relativeOne !== undefined) {
    throw new HpoError(
      'HPO-2460',
      `KUBECONFIG names ${relativeOne}, which counts from the current folder, and so could come from a project`,
      `write it in full: export KUBECONFIG=${resolve('/', 'home', 'you', '.kube', 'config')}`,
    );
  }
  return listed;
}
