import { describe, expect, it } from 'vitest';
import { type BuildStatus, buildStatus } from '../../../agent/engine/buildMessages.ts';
import { BuildProgress } from '../../../agent/engine/buildProgress.ts';

type Step = Partial<BuildStatus['vertexes'][number]> & { readonly digest: string };

const now = { seconds: 1, nanos: 0 };

function trace(steps: readonly Step[], logs: readonly (readonly [vertex: string, text: string])[] = []): string {
  const vertexes = steps.map((step) => ({ name: '', cached: false, started: null, completed: null, error: '', ...step }));
  const bytes = buildStatus.encode({ vertexes, logs: logs.map(([vertex, text]) => ({ vertex, msg: Buffer.from(text) })) });
  return JSON.stringify({ id: 'moby.buildkit.trace', aux: bytes.toString('base64') });
}

function follow(...messages: readonly string[]): { readonly lines: string[]; readonly progress: BuildProgress } {
  const lines: string[] = [];
  const progress = new BuildProgress((line) => lines.push(line), {});
  for (const message of messages) progress.take(message);
  return { lines, progress };
}

describe('what is told of a build', () => {
  it('is each step once, without its mounts, and what it prints, line by line', () => {
    const { lines } = follow(
      trace([{ digest: 'i', name: '[internal] load build definition', started: now }]),
      trace([{ digest: 'a', name: '[1/2] FROM base', started: now, completed: now, cached: true }]),
      trace([{ digest: 'b', name: '[2/2] RUN --mount=type=cache,target=/x   make   all', started: now }], [['b', 'one\ntw']]),
      trace(
        [{ digest: 'b', name: '[2/2] RUN --mount=type=cache,target=/x   make   all', started: now }],
        [['b', 'o\r10%\r20%\r\n']],
      ),
      trace([{ digest: 'e', name: 'exporting to image', started: now }]),
    );
    expect(lines).toEqual(['[1/2] FROM base (kept from before)', '[2/2] RUN make all', 'one', 'two', '10%', '20%']);
  });

  it('is the id at the end', () =>
    expect(follow('{"id":"moby.image.id","aux":{"ID":"sha256:f00"}}').progress.imageId).toBe('sha256:f00'));

  it('is the step that failed, and not those that were given up for it', () => {
    const output = Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join('');
    const { progress } = follow(
      trace([
        { digest: 'a', name: '[a 1/1] RUN slow', started: now, completed: now, error: 'context canceled: context canceled' },
      ]),
      trace([{ digest: 'b', name: '[b 1/1] RUN pip', started: now }], [['b', output]]),
      trace([{ digest: 'b', name: '[b 1/1] RUN pip', completed: now, error: 'exit code: 1' }]),
      '{"error":"executor failed running [/bin/sh -c pip]: exit code: 1"}',
    );
    const [first, ...rest] = progress.failure.split('\n');
    expect(first).toBe('the step "[b 1/1] RUN pip" failed: exit code: 1');
    expect(rest).toEqual(Array.from({ length: 25 }, (_, i) => `  line ${i + 15}`));
    expect(progress.missingBase).toBeNull();
  });

  it('is the base that is missing', () => {
    const name = '[internal] load metadata for docker.io/library/none:1';
    const { progress, lines } = follow(
      trace([{ digest: 'm', name, started: now, completed: now, error: 'no such host' }]),
      '{"error":"no such host"}',
    );
    expect(progress.missingBase).toBe('docker.io/library/none:1');
    expect(lines).toEqual([]);
  });

  it('are plain lines of an engine without steps', () => {
    const { progress, lines } = follow(
      '{"stream":"STEP 1/2: FROM x\\n"}',
      '{"stream":"no such file\\n"}',
      '{"error":"exit status 1"}',
      'no JSON',
    );
    expect(lines).toEqual(['STEP 1/2: FROM x', 'no such file']);
    expect(progress.failure).toBe('exit status 1\n  STEP 1/2: FROM x\n  no such file');
  });
});
