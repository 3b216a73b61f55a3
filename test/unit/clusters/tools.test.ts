import { expect, it } from 'vitest';
import {
  createCommands,
  destroyCommand,
  placeOf,
  shownCommand,
  toolRemarks,
  type ToolName,
  type ToolPlan,
} from '../../../agent/clusters/tools.ts';

it.each<[ToolName, ToolPlan, readonly string[], string]>([
  [
    'kind',
    { name: 'lab' },
    ['kind create cluster --name lab --kubeconfig /k.yml --wait 5m'],
    'kind delete cluster --name lab --kubeconfig /k.yml',
  ],
  [
    'kind',
    { name: 'lab', nodes: 2, version: '1.34.0', arguments: ['--retain'] },
    [
      "kind create cluster --name lab --kubeconfig /k.yml --wait 5m --image kindest/node:v1.34.0 --config - --retain <<'END'\nkind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n  - role: control-plane\n  - role: worker\nEND",
    ],
    'kind delete cluster --name lab --kubeconfig /k.yml',
  ],
  [
    'k3d',
    { name: 'lab', nodes: 3 },
    ['k3d cluster create lab --wait --kubeconfig-update-default=false --agents 2', 'k3d kubeconfig write lab --output /k.yml'],
    'k3d cluster delete lab',
  ],
  ...(
    [
      ['1.34.1', 'v1.34.1-k3s1'],
      ['v1.34.1+k3s2', 'v1.34.1-k3s2'],
      ['1.34.1-k3s2', 'v1.34.1-k3s2'],
    ] as const
  ).map(([version, tag]): [ToolName, ToolPlan, readonly string[], string] => [
    'k3d',
    { name: 'lab', version },
    [
      `k3d cluster create lab --wait --kubeconfig-update-default=false --image rancher/k3s:${tag}`,
      'k3d kubeconfig write lab --output /k.yml',
    ],
    'k3d cluster delete lab',
  ]),
  [
    'eksctl',
    { name: 'lab', region: 'eu-central-1', nodes: 2, machine: 'm6i.xlarge', version: 'v1.34' },
    [
      'eksctl create cluster --name lab --kubeconfig /k.yml --region eu-central-1 --nodes 2 --node-type m6i.xlarge --version 1.34',
    ],
    'eksctl delete cluster --name lab --region eu-central-1 --wait',
  ],
  [
    'gcloud',
    { name: 'lab', region: 'europe-west1-b', project: 'ml', arguments: ['--spot', 'two words'] },
    [
      "KUBECONFIG=/k.yml gcloud container clusters create lab --zone europe-west1-b --project ml --quiet --spot 'two words'",
      'KUBECONFIG=/k.yml gcloud container clusters get-credentials lab --zone europe-west1-b --project ml --quiet',
    ],
    'KUBECONFIG=/k.yml gcloud container clusters delete lab --zone europe-west1-b --project ml --quiet',
  ],
  [
    'gcloud',
    { name: 'lab', region: 'europe-west1' },
    [
      'KUBECONFIG=/k.yml gcloud container clusters create lab --region europe-west1 --quiet',
      'KUBECONFIG=/k.yml gcloud container clusters get-credentials lab --region europe-west1 --quiet',
    ],
    'KUBECONFIG=/k.yml gcloud container clusters delete lab --region europe-west1 --quiet',
  ],
  [
    'az',
    { name: 'lab', group: 'ml', machine: 'Standard_D4s_v5' },
    [
      'az aks create --name lab --generate-ssh-keys --resource-group ml --node-vm-size Standard_D4s_v5',
      'az aks get-credentials --name lab --resource-group ml --file /k.yml',
    ],
    'az aks delete --name lab --resource-group ml --yes',
  ],
])('%s %j', (tool, plan, creating, destroying) => {
  expect(createCommands(tool, plan, '/k.yml').map(shownCommand)).toEqual(creating);
  expect(shownCommand(destroyCommand(tool, placeOf(plan), '/k.yml'))).toBe(destroying);
});

it.each<[ToolName, Omit<ToolPlan, 'name'>, RegExp | null]>([
  ['gcloud', { region: 'europe-west1', nodes: 2 }, /2 nodes in each of its zones, .* 6 in all; .* region: europe-west1-b$/],
  ['gcloud', { region: 'europe-west1', nodes: 1 }, /1 node in each/],
  ['gcloud', { region: 'europe-west1' }, /3 nodes in each of its zones, .* 9 in all/],
  ['gcloud', { region: 'europe-west1-b', nodes: 2 }, null],
  ['eksctl', { region: 'eu-central-1', nodes: 2 }, null],
  ['kind', { nodes: 2 }, null],
])('what %s does with %j that nobody may expect is said before', (tool, plan, said) => {
  const remarks = toolRemarks(tool, { name: 'lab', ...plan });
  expect(remarks).toEqual(said === null ? [] : [expect.stringMatching(said)]);
});
