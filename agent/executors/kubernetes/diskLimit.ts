import { ownVolume } from './podTemplate.ts';

/**
 * The limit of its own that an evicted pod broke, by the words of its node, and what raises it; null where the node ended it for a
 * reason of the node's. Where it is a limit, nothing but the trial or the limit mends that.
 */
export function brokenLimit(message: string): string | null {
  const [, volume, volumeLimit] = /Usage of EmptyDir volume "([^"]*)" exceeds the limit "([^"]*)"/.exec(message) ?? [];
  if (volume !== undefined) return `it wrote more than ${volumeLimit} ${volumes.get(volume) ?? otherVolume(volume)}`;
  const [, container, limit] = /Container (\S+) exceeded its local ephemeral storage limit "([^"]*)"/.exec(message) ?? [];
  const all = /ephemeral local storage usage exceeds the total limit of containers ([^\s.]*)/.exec(message)?.[1];
  if (container === undefined && all === undefined) return null;
  const whose = container === 'store' ? 'its checkpoint, compressed, needed' : 'it needed';
  return `${whose} more than ${limit ?? all} of its node's disk. ${raiseDisk}`;
}

const raiseDisk =
  'Write less into the current folder, keep what is large on a volume (# @hpo.data pvc://CLAIM -> FOLDER), or raise limits: ephemeral-storage of the container in the pod template';

const volumes: ReadonlyMap<string, string> = new Map([
  [`${ownVolume}tmp`, 'into /tmp. Write what is large into the current folder, or say # @hpo.resources tmp=4GB'],
  [`${ownVolume}home`, 'into HOME. Write what is large into the current folder, or say # @hpo.resources tmp=4GB'],
  [`${ownVolume}shm`, 'into its shared memory (/dev/shm). Say # @hpo.resources shm=4GB'],
]);

function otherVolume(name: string): string {
  return `into the volume ${name} of the pod template. Raise its sizeLimit there`;
}
