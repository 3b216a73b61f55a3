import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Setting {
  readonly scope: string;
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
}

interface Manifest {
  readonly capabilities: { readonly untrustedWorkspaces: { readonly restrictedConfigurations: readonly string[] } };
  readonly contributes: { readonly configuration: { readonly properties: Readonly<Record<string, Setting>> } };
}

// Checked by VS Code; what is read of it here is compared below.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as Manifest;
const settings = Object.entries(manifest.contributes.configuration.properties);
const restricted = manifest.capabilities.untrustedWorkspaces.restrictedConfigurations;

test('which cluster it is, and what its pods get, is the user’s to say and never a workspace’s', () => {
  const cluster = settings.filter(([name]) => name.startsWith('hpo.kubernetes.'));
  expect(cluster.map(([name, { scope }]) => [name.slice('hpo.kubernetes.'.length), scope])).toEqual([
    ['cluster', 'machine'],
    ['context', 'machine'],
    ['namespace', 'machine'],
    ['queue', 'machine'],
    ['jobTemplate', 'machine'],
  ]);
});

test('what names a program, a path or a machine counts only in a workspace that is trusted', () => {
  const harmless = ['hpo.maxTrials', 'hpo.parallelism', 'hpo.codeLens', 'hpo.notifications'];
  expect(settings.map(([name]) => name).filter((name) => !restricted.includes(name))).toEqual(harmless);
  expect(restricted.filter((name) => !settings.some(([known]) => known === name))).toEqual([]);
});

test.each(settings)('each choice of %s says what it means', (_, { enum: choices = [], enumDescriptions = [] }) => {
  expect(enumDescriptions.filter((text) => text !== '')).toHaveLength(choices.length);
});
