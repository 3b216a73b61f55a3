import type { V1Container, V1PodSpec, V1PodTemplateSpec, V1Volume } from '@kubernetes/client-node';
import { HpoError } from '../../protocol/errors.ts';

/** What is taken of the user's own template. All else is ours: it would give a program more than its attempt needs, or lose its end. */
export interface TemplateParts {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Readonly<Partial<Pick<V1PodSpec, (typeof specKeys)[number]>>>;
  readonly security: Readonly<NonNullable<V1PodSpec['securityContext']>>;
  readonly volumes: readonly V1Volume[];
  readonly container: Pick<V1Container, 'env' | 'volumeMounts' | 'resources'>;
}

/** Of a pod's spec. */
export const specKeys = [
  'affinity',
  'dnsConfig',
  'hostAliases',
  'imagePullSecrets',
  'nodeSelector',
  'preemptionPolicy',
  'priorityClassName',
  'runtimeClassName',
  'schedulerName',
  'tolerations',
  'topologySpreadConstraints',
] as const;

/** Those that Pod Security `restricted` lets pods have. */
const volumeTypes = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'secret'] as const;

/** Begins the names of our own volumes. */
export const ownVolume = 'hpo-';

export function readTemplate(text: string | null): TemplateParts {
  const template = text === null ? {} : parse(text);
  const spec: Partial<V1PodSpec> = template.spec ?? {};
  const container = spec.containers?.find(({ name }) => name === 'trial') ?? spec.containers?.[0];
  const { runAsUser, runAsGroup, fsGroup, fsGroupChangePolicy, supplementalGroups } = spec.securityContext ?? {};
  return {
    labels: withoutOurs(template.metadata?.labels),
    annotations: withoutOurs(template.metadata?.annotations),
    spec: Object.fromEntries(specKeys.flatMap((key) => (spec[key] === undefined ? [] : [[key, spec[key]]]))),
    security: defined({
      runAsUser: runAsUser === 0 ? undefined : runAsUser,
      runAsGroup: runAsGroup === 0 ? undefined : runAsGroup,
      fsGroup,
      fsGroupChangePolicy,
      supplementalGroups,
    }),
    volumes: (spec.volumes ?? []).filter(
      (volume) =>
        !volume.name.startsWith(ownVolume) &&
        // An emptyDir, where it says no more than its name.
        (volumeTypes.some((type) => volume[type] !== undefined) || Object.keys(volume).length === 1),
    ),
    container: {
      env: container?.env ?? [],
      // Nothing is mounted over what is ours.
      volumeMounts: (container?.volumeMounts ?? []).filter(
        ({ name, mountPath }) => !name.startsWith(ownVolume) && mountPath !== '/hpo' && !mountPath.startsWith('/hpo/'),
      ),
      resources: container?.resources ?? {},
    },
  };
}

function parse(text: string): Partial<V1PodTemplateSpec> {
  try {
    const value: unknown = JSON.parse(text);
    // The API server checks what is in it.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new HpoError('HPO-2481', 'the template of the pods is no PodTemplateSpec', 'write an object with metadata and spec');
}

function withoutOurs(labels: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !/^hpo[./]/.test(name)));
}

function defined<T extends object>(object: T): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only entries without a value are left out
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
