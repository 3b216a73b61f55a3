import { beforeAll } from 'vitest';
import { executorSuite } from '../contract/executorSuite.ts';
import { ensureBases } from '../support/docker.ts';
import { openDockerWorld } from './dockerWorld.ts';

beforeAll(() => ensureBases('python'), 300_000);

executorSuite('docker', openDockerWorld);
