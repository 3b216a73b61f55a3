import { HpoError } from '../../protocol/errors.ts';
import type { CheckpointStore } from '../../protocol/study.ts';
import { readTemplate } from '../../executors/kubernetes/podTemplate.ts';

/** Credentials of the namespace that a project, and not the user, asks for. A project may be somebody else's. */
export interface AskedCredential {
  /** By which the user agrees: the name of a Secret, `csi:DRIVER`, `pull:NAME` for a Secret that only pulls images, or a store as the project writes it. */
  readonly word: string;
  /** What would be done with it, for people. */
  readonly what: string;
}

/** The agent's own objects, and those of its studies. */
const ours = /^hpo(?:-|$)/;

/**
 * What a pod template gives to its program. Throws HPO-2489 where that is what the agent keeps for itself or for another study, whoever
 * wrote it.
 */
export function templateCredentials(json: string, path: string): readonly AskedCredential[] {
  const { volumes, container } = readTemplate(json);
  const env = container.env ?? [];
  const secrets = [
    ...volumes.flatMap(({ secret, csi }) => [secret?.secretName, csi?.nodePublishSecretRef?.name]),
    ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
  ].filter((name) => name !== undefined);
  const maps = [
    ...volumes.map(({ configMap }) => configMap?.name),
    ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
  ].filter((name) => name !== undefined);
  const own = [...secrets, ...maps].find((name) => ours.test(name));
  if (own !== undefined) {
    throw new HpoError(
      'HPO-2489',
      `the pod template ${path} takes ${own}, which is the agent's own: names that begin with hpo- are`,
      'take it out; variables of yours reach trials by # @hpo.secret NAME',
      { exitCode: 4 },
    );
  }
  const drivers = volumes.flatMap(({ csi }) => (csi === undefined ? [] : [csi.driver]));
  return [
    ...[...new Set(secrets)].map((word) => ({ word, what: `the pod template ${path} gives trials the Secret ${word}` })),
    ...[...new Set(drivers)].map((driver) => ({
      word: `csi:${driver}`,
      what: `the pod template ${path} gives trials a volume of the driver ${driver}, which may hold secrets`,
    })),
  ];
}

/** What a project pulls images by, as its template at `path` says, or its settings. */
export function pullCredentials(names: readonly string[], path: string | null): readonly AskedCredential[] {
  const where = path === null ? 'this project' : `the pod template ${path}`;
  return [...new Set(names)].map((name) => ({ word: `pull:${name}`, what: `${where} pulls images by the Secret ${name}` }));
}

/** What a store takes that an annotation names; `said` is as it stands there. */
export function storeCredentials(store: CheckpointStore | null, said: string): readonly AskedCredential[] {
  if (store?.type !== 's3') return [];
  const { bucket, endpoint, secret, image } = store;
  const place = endpoint === null ? bucket : `${bucket} at ${endpoint}`;
  const by = image === null ? 'in a container of the image of the trials' : `in a container of the image ${image}`;
  return [{ word: said, what: `checkpoints go to the bucket ${place}, with the keys in the Secret ${secret}, ${by}` }];
}
