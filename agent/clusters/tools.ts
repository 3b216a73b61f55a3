import type { MadeCluster } from '../cluster/profile.ts';
import { unreachable } from '../protocol/view.ts';

/** Programs of the user's that make a cluster. */
export const toolNames = ['kind', 'k3d', 'eksctl', 'gcloud', 'az'] as const;
export type ToolName = (typeof toolNames)[number];

/** A program to be run, without a shell in between. */
export interface ToolCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** Besides those of the user. */
  readonly variables: Readonly<Record<string, string>>;
  /** What it is given to read; empty for nothing. */
  readonly input: string;
}

export interface ToolPlan {
  /** Name of the cluster, as the tool knows it. */
  readonly name: string;
  readonly nodes?: number | undefined;
  readonly version?: string | undefined;
  readonly machine?: string | undefined;
  readonly region?: string | undefined;
  readonly project?: string | undefined;
  readonly group?: string | undefined;
  /** Of the user's, at the end. */
  readonly arguments?: readonly string[] | undefined;
}

/** Where a tool finds again what it made. */
export type ToolPlace = NonNullable<MadeCluster['tool']>;

const command = (program: ToolName, args: readonly string[], more: Partial<ToolCommand> = {}): ToolCommand => ({
  program,
  args,
  variables: {},
  input: '',
  ...more,
});

const option = (name: string, value: string | number | null | undefined): readonly string[] =>
  value === undefined || value === null ? [] : [name, String(value)];

/** `europe-west1-b` is a zone, `europe-west1` a region: gcloud wants to be told which. */
const isZone = (region: string): boolean => /-[a-z]$/.test(region);

const gcloudPlace = ({ region, project }: ToolPlace): readonly string[] => [
  ...option(isZone(region ?? '') ? '--zone' : '--region', region),
  ...option('--project', project),
];

/** Of each version of Kubernetes there are several of k3s: `1.34.1` is its first, `v1.34.1+k3s2` the one that is named. */
const k3sImage = (version: string): string =>
  `rancher/k3s:v${version.includes('k3s') ? version.replace('+', '-') : `${version}-k3s1`}`;

/** What gcloud makes where nobody says how many. */
const gcloudNodes = 3;

/** What the commands do that nobody may expect, for people; to be said before they run. */
export function toolRemarks(tool: ToolName, { nodes, region }: ToolPlan): readonly string[] {
  if (tool !== 'gcloud' || region === undefined || isZone(region)) return [];
  const count = nodes ?? gcloudNodes;
  return [
    `${region} is a region: gcloud makes ${count} ${count === 1 ? 'node' : 'nodes'} in each of its zones, which are 3 as a rule, so ${count * 3} in all; for ${count} in all name a zone, such as region: ${region}-b`,
  ];
}

/**
 * The commands that make a cluster and write how it is reached into a kubeconfig of its own, so that the user's is left as it is.
 */
export function createCommands(tool: ToolName, plan: ToolPlan, kubeconfig: string): readonly ToolCommand[] {
  const { name, nodes, machine, arguments: own = [] } = plan;
  const version = plan.version?.replace(/^v/, '');
  switch (tool) {
    case 'kind':
      return [
        command(
          'kind',
          [
            'create',
            'cluster',
            '--name',
            name,
            '--kubeconfig',
            kubeconfig,
            '--wait',
            '5m',
            ...option('--image', version === undefined ? undefined : `kindest/node:v${version}`),
            ...(nodes === undefined || nodes === 1 ? [] : ['--config', '-']),
            ...own,
          ],
          nodes === undefined || nodes === 1 ? {} : { input: kindConfig(nodes) },
        ),
      ];
    case 'k3d':
      return [
        command('k3d', [
          'cluster',
          'create',
          name,
          '--wait',
          '--kubeconfig-update-default=false',
          ...option('--agents', nodes === undefined || nodes === 1 ? undefined : nodes - 1),
          ...option('--image', version === undefined ? undefined : k3sImage(version)),
          ...own,
        ]),
        command('k3d', ['kubeconfig', 'write', name, '--output', kubeconfig]),
      ];
    case 'eksctl':
      return [
        command('eksctl', [
          'create',
          'cluster',
          '--name',
          name,
          '--kubeconfig',
          kubeconfig,
          ...option('--region', plan.region),
          ...option('--nodes', nodes),
          ...option('--node-type', machine),
          ...option('--version', version),
          ...own,
        ]),
      ];
    case 'gcloud':
      return [
        command(
          'gcloud',
          [
            'container',
            'clusters',
            'create',
            name,
            ...gcloudPlace(placeOf(plan)),
            ...option('--num-nodes', nodes),
            ...option('--machine-type', machine),
            ...option('--cluster-version', version),
            '--quiet',
            ...own,
          ],
          { variables: { KUBECONFIG: kubeconfig } },
        ),
        command('gcloud', ['container', 'clusters', 'get-credentials', name, ...gcloudPlace(placeOf(plan)), '--quiet'], {
          variables: { KUBECONFIG: kubeconfig },
        }),
      ];
    case 'az':
      return [
        command('az', [
          'aks',
          'create',
          '--name',
          name,
          '--generate-ssh-keys',
          ...option('--resource-group', plan.group),
          ...option('--location', plan.region),
          ...option('--node-count', nodes),
          ...option('--node-vm-size', machine),
          ...option('--kubernetes-version', version),
          ...own,
        ]),
        command('az', [
          'aks',
          'get-credentials',
          '--name',
          name,
          ...option('--resource-group', plan.group),
          '--file',
          kubeconfig,
        ]),
      ];
    default:
      return unreachable(tool);
  }
}

export function placeOf({ name, region, project, group }: ToolPlan): ToolPlace {
  return { name, region: region ?? null, project: project ?? null, group: group ?? null };
}

/** What removes the whole cluster, with all that is in it. */
export function destroyCommand(tool: ToolName, place: ToolPlace, kubeconfig: string): ToolCommand {
  const { name, region, group } = place;
  switch (tool) {
    case 'kind':
      return command('kind', ['delete', 'cluster', '--name', name, '--kubeconfig', kubeconfig]);
    case 'k3d':
      return command('k3d', ['cluster', 'delete', name]);
    case 'eksctl':
      return command('eksctl', ['delete', 'cluster', '--name', name, ...option('--region', region), '--wait']);
    case 'gcloud':
      return command('gcloud', ['container', 'clusters', 'delete', name, ...gcloudPlace(place), '--quiet'], {
        variables: { KUBECONFIG: kubeconfig },
      });
    case 'az':
      return command('az', ['aks', 'delete', '--name', name, ...option('--resource-group', group), '--yes']);
    default:
      return unreachable(tool);
  }
}

/** As one would type it, for people. */
export function shownCommand({ program, args, variables, input }: ToolCommand): string {
  const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);
  const words = [...Object.entries(variables).map(([key, value]) => `${key}=${quoted(value)}`), program, ...args.map(quoted)];
  return words.join(' ') + (input === '' ? '' : ` <<'END'\n${input}END`);
}

/** How each is got where it is missing. */
export const howToInstall: Readonly<Record<ToolName, string>> = {
  kind: 'install it (https://kind.sigs.k8s.io/docs/user/quick-start/#installation), for example: brew install kind',
  k3d: 'install it (https://k3d.io/#installation), for example: brew install k3d',
  eksctl: 'install it (https://eksctl.io/installation/) and log in: aws configure sso',
  gcloud:
    'install it (https://cloud.google.com/sdk/docs/install) and log in: gcloud auth login; then: gcloud components install gke-gcloud-auth-plugin',
  az: 'install it (https://learn.microsoft.com/cli/azure/install-azure-cli) and log in: az login',
};

function kindConfig(nodes: number): string {
  const workers = Array.from({ length: nodes - 1 }, () => '  - role: worker\n').join('');
  return `kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n  - role: control-plane\n${workers}`;
}
