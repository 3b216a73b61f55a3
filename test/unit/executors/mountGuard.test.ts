import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mountRefusal } from '../../../agent/executors/docker/mountGuard.ts';

it.each([
  { path: '.ssh', isRefused: true },
  { path: '.config/gcloud', isRefused: true },
  { path: '.config/gcloud/legacy', isRefused: true },
  { path: '.config', isRefused: true },
  { path: '.config/matplotlib', isRefused: false },
  { path: '.configs', isRefused: false },
  { path: 'data', isRefused: false },
  { path: '', isRefused: true },
  { path: '..', isRefused: true },
])('data in ~/$path: refused $isRefused', ({ path, isRefused }) => {
  expect(mountRefusal(join(homedir(), path), '/elsewhere/.hpo') !== null).toBe(isRefused);
});
