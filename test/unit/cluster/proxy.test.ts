import { expect, it } from 'vitest';
import { proxyOf } from '../../../agent/cluster/proxy.ts';

const proxy = 'http://proxy.test:3128';

const rows: readonly (readonly [string, Readonly<Record<string, string>>, string | null])[] = [
  ['https://k8s.test', {}, null],
  ['https://k8s.test', { HTTPS_PROXY: proxy }, proxy],
  ['https://k8s.test', { https_proxy: proxy }, proxy],
  ['https://k8s.test', { HTTPS_PROXY: 'proxy.test:3128' }, proxy],
  ['https://k8s.test', { HTTP_PROXY: proxy }, null],
  ['http://k8s.test', { HTTP_PROXY: proxy }, proxy],
  ['https://localhost:6443', { HTTPS_PROXY: proxy }, null],
  ['https://127.0.0.1:6443', { HTTPS_PROXY: proxy }, null],
  ['https://[::1]:6443', { HTTPS_PROXY: proxy }, null],
  ...(
    [
      ['*', true],
      ['k8s.test', true],
      ['K8S.test', true],
      ['test', true],
      ['.test', true],
      ['*.test', true],
      ['s.test', false],
      ['.k8s.test', false],
      ['other.test, k8s.test', true],
      ['k8s.test:6443', true],
      ['k8s.test:443', false],
      ['', false],
    ] as const
  ).map(([NO_PROXY, isExempt]) => ['https://k8s.test:6443', { HTTPS_PROXY: proxy, NO_PROXY }, isExempt ? null : proxy] as const),
  ...(
    [
      ['10.1.2.3', true],
      ['10.1.2.4', false],
      ['10.0.0.0/8', true],
      ['10.2.0.0/16', false],
      ['10.0.0.0/99', false],
      ['fd00::/8', false],
    ] as const
  ).map(
    ([NO_PROXY, isExempt]) =>
      ['https://10.1.2.3:6443', { HTTPS_PROXY: proxy, no_proxy: NO_PROXY }, isExempt ? null : proxy] as const,
  ),
  ['https://[fd00::1]:6443', { HTTPS_PROXY: proxy, NO_PROXY: 'fd00::/8' }, null],
];

it.each(rows)('%s with %j: %s', (server, environment, expected) => {
  expect(proxyOf(new URL(server), environment)).toBe(expected);
});
