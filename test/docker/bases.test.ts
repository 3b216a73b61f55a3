import { Writable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Base, bases, engineClient, ensureBases } from '../support/docker.ts';

/** What a recipe, or a trial, expects to find in each base. */
const commands: readonly (readonly [Base, readonly string[], RegExp])[] = [
  ['python', ['python', '-c', 'import venv, sys; print(sys.version)'], /^3\.11\./],
  ['python', ['pip', '--version'], /^pip \d+/],
  ['node', ['node', '-p', 'process.version'], /^v2\d\./],
  ['node', ['npm', '--version'], /^\d+\./],
  ['r', ['Rscript', '-e', 'cat(R.version$major)'], /^4/],
  ['julia', ['julia', '-e', 'print(VERSION)'], /^1\./],
  ['debian', ['sh', '-c', '. /etc/os-release; echo $VERSION_CODENAME'], /^bookworm/],
];

describe('base images', () => {
  beforeAll(() => ensureBases('python', 'node', 'r', 'julia', 'debian'), 900_000);

  it.each(commands)('%s: %s', async (base, command, expected) => {
    const docker = engineClient();
    let text = '';
    const output = new Writable({
      write(chunk: Buffer, _, done) {
        text += chunk.toString();
        done();
      },
    });
    const options = { Tty: true, HostConfig: { AutoRemove: false, NetworkMode: 'none' }, User: '65532:65532', name: '' };
    const name = `hpo-test-base-${process.pid}-${Math.random().toString(36).slice(2)}`;
    const [result, container] = (await docker.run(bases[base], [...command], output, { ...options, name })) as [
      { StatusCode: number },
      { remove(): Promise<unknown> },
    ];
    await container.remove();
    expect(text.trim()).toMatch(expected);
    expect(result.StatusCode).toBe(0);
  });
});
