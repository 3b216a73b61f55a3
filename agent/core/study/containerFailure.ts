import type { ContainerSettings, Failure } from '../../protocol/study.ts';
import { failureCodes } from './failurePolicy.ts';

/**
 * What fails for being in a container, with what mends it there: the program's own words would send people to look for what is in order
 * on their machine. `said` is the exception, or the last line that was printed; null where the container has no part in it.
 */
export function containerFailure(said: string, where: string, container: ContainerSettings): Failure | null {
  const fail = (code: string, next: string): Failure => ({ kind: 'userError', code, message: `${said}${where}. ${next}` });
  if (/\[Errno 30\]|\bEROFS\b|read-only file system/i.test(said)) {
    return fail(
      failureCodes.readOnly,
      'In a container the code, and data that is mounted with ro, cannot be written. Write into the current folder itself, /tmp or HPO_CHECKPOINT_DIR, into a folder that git ignores, of which each trial gets its own, or mount the folder: # @hpo.data ./out -> out',
    );
  }
  if (noRoom.test(said)) {
    // What has no path may as well be the machine's disk, where the work folder is.
    const folder = /\/(?:tmp|dev\/shm|hpo\/home)\b|\bshm\b|shared memory/.exec(said)?.[0];
    if (folder === undefined) return null;
    return fail(
      failureCodes.memoryFolder,
      folder.includes('sh')
        ? 'The shared memory of a container is limited: # @hpo.resources shm=4GB'
        : '/tmp and HOME of a container are in memory, and limited: write what is large into the current folder or HPO_CHECKPOINT_DIR, or say # @hpo.resources tmp=4GB',
    );
  }
  if (!container.network && noNetwork.test(said)) {
    return fail(
      failureCodes.noNetwork,
      'A container has no network unless the script says so: # @hpo.resources network=yes; or get what it needs beforehand, and mount it: # @hpo.data',
    );
  }
  if (said.startsWith('ModuleNotFoundError: ')) {
    const left = leftOutModule(said, container);
    if (left !== null) {
      return fail(
        failureCodes.moduleInImage,
        `hpo left ${left.path} of the project out of the stored code: ${left.reason}. If the program needs it, ${wayIn(left)}`,
      );
    }
    const image = container.image.name;
    const next =
      container.image.recipe === null
        ? `The image ${image} lacks it: name another one, or let hpo make one: # @hpo.image auto.`
        : `The image ${image} lacks it: add it to what the image is made from (hpo image SCRIPT says what that is).`;
    return fail(failureCodes.moduleInImage, next);
  }
  return null;
}

/** The module that is missed, or a package that it is in, as far as hpo left it out: at the root or in a folder such as `src`. */
function leftOutModule(said: string, { leftOut = [] }: ContainerSettings): { path: string; reason: string } | null {
  const parts = (/^ModuleNotFoundError: No module named '([\w.]+)'/.exec(said)?.[1] ?? '').split('.');
  const modules = parts.map((_, index) => parts.slice(0, index + 1).join('/')).filter((module) => module !== '');
  const isOf = (path: string): boolean => {
    const own = path.replace(/\.pyx?$/, '');
    return modules.some((module) => own === module || own.endsWith(`/${module}`));
  };
  return leftOut.find(({ path }) => isOf(path)) ?? null;
}

function wayIn({ path, reason }: { readonly path: string; readonly reason: string }): string {
  if (/secret/.test(reason)) return 'give it a name that secrets do not have';
  return reason.startsWith('a link') ? 'put a copy of it in the place of the link' : `have it stored: # @hpo.include ${path}`;
}

const noRoom =
  /\[Errno 28\]|\bENOSPC\b|No space left on device|\bBus error\b.*shm|unable to (?:allocate|write to|open) shared memory/i;

/** As Python, Node, R, curl and the C library say it. */
const noNetwork =
  /Temporary failure in name resolution|Name or service not known|Network is unreachable|Could not resolve host|\bENETUNREACH\b|\bEAI_AGAIN\b|\bENOTFOUND\b|NameResolutionError/i;

/** Killed for more memory than the study gives each container: how many run beside it does not matter. */
export function memoryLimitFailure(memoryBytes: number, seen: string, narrow: string): Failure {
  const detail = seen === '' ? '' : ` (${seen})`;
  const limit = `${Math.round(memoryBytes / 1024 ** 2).toLocaleString('en')} MB`;
  return {
    kind: 'outOfMemory',
    code: failureCodes.memoryLimit,
    message: `The trial needed more memory than the ${limit} of its container${detail}. Raise the limit (# @hpo.resources memory=), or ${narrow}.`,
  };
}
