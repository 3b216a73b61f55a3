import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import tar from 'tar-stream';
import { HpoError } from '../protocol/errors.ts';
import { BuildProgress } from './buildProgress.ts';
import { openBuildSession } from './buildSession.ts';
import type { BuildRequest, EngineProgress } from './engine.ts';
import { registryCredentials } from './registryCredentials.ts';

/**
 * Builds an image with BuildKit and resolves with its id. Rejects with HPO-2407 where its base cannot be had; HPO-2408 and the last lines of the step that failed;
 * with the signal's reason when it is aborted; with the connection's own error where the engine is not to be reached.
 */
export async function buildImage(docker: Docker, request: BuildRequest, { onProgress, signal }: EngineProgress): Promise<string> {
  signal?.throwIfAborted();
  const progress = new BuildProgress(onProgress, request.secrets);
  if (await isPodman(docker)) await buildByPodman(docker, request, progress, signal);
  else await buildByBuildKit(docker, request, progress, signal);
  signal?.throwIfAborted();
  if (progress.error !== '' && progress.missingBase !== null) {
    throw new HpoError(
      'HPO-2407',
      `the base image ${progress.missingBase} of ${request.name} cannot be had: ${progress.error}`,
      'see that the engine reaches the registry, or have the image on it before: docker pull, docker load',
    );
  }
  if (progress.error !== '') throw failed(request, progress.failure);
  if (progress.imageId === '') throw failed(request, 'the engine ended the build without an image');
  return progress.imageId;
}

async function buildByBuildKit(
  docker: Docker,
  request: BuildRequest,
  progress: BuildProgress,
  signal: AbortSignal | undefined,
): Promise<void> {
  using session = await openBuildSession(docker, {
    secrets: request.secrets,
    credentials: (host) => registryCredentials(host),
  });
  const buildid = randomUUID();
  const query = { ...commonQuery(request), version: '2', session: session.id, buildid };
  // The engine goes on with a build whose listener is gone until the session is, so it is told.
  const cancel = (): void => void dial(docker, { path: '/build/cancel?', options: { id: buildid } }).catch(() => undefined);
  signal?.addEventListener('abort', cancel);
  try {
    await follow(docker, query, contextOf(request.context), progress, signal);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/**
 * Podman has no sessions: its API takes secrets as files of the context, each with a name that nobody can guess, which
 * `.dockerignore` keeps out of what COPY sees. `podman --remote` does the same.
 */
async function buildByPodman(
  docker: Docker,
  request: BuildRequest,
  progress: BuildProgress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const files = Object.entries(request.secrets).map(([id, content]) => ({
    id,
    file: { path: `.hpo-secret-${randomUUID()}`, content, isExecutable: false },
  }));
  const given = request.context.find(({ path }) => path === '.dockerignore');
  const ignored = [given === undefined ? '' : Buffer.from(given.content).toString(), ...files.map(({ file }) => file.path)];
  const context = [
    ...request.context.filter((file) => file !== given),
    { path: '.dockerignore', content: Buffer.from(`${ignored.join('\n')}\n`), isExecutable: false },
    ...files.map(({ file }) => file),
  ];
  const query = {
    ...commonQuery(request),
    secrets: JSON.stringify(files.map(({ id, file }) => `id=${id},src=${file.path}`)),
  };
  await follow(docker, query, contextOf(context), progress, signal);
  if (progress.imageId !== '' || progress.error !== '') return;
  const { Id: id } = await docker.getImage(request.name).inspect();
  progress.imageId = id;
}

function commonQuery(request: BuildRequest): Record<string, string> {
  return {
    t: request.name,
    dockerfile: request.dockerfile,
    labels: JSON.stringify(request.labels),
    buildargs: JSON.stringify(request.arguments),
    rm: '1',
    forcerm: '1',
    ...(request.platform === null ? {} : { platform: request.platform }),
    ...(request.isFresh ? { nocache: '1' } : {}),
  };
}

async function follow(
  docker: Docker,
  query: Record<string, string>,
  context: Readable,
  progress: BuildProgress,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const answer = await dial<Readable>(docker, {
      path: '/build?',
      options: query,
      file: context,
      isStream: true,
      ...(signal === undefined ? {} : { abortSignal: signal }),
    });
    for await (const line of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) progress.take(line);
  } catch (error) {
    signal?.throwIfAborted();
    // A Dockerfile that cannot be read is refused before anything is streamed.
    if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
      progress.error = error.message;
      return;
    }
    throw error;
  } finally {
    context.destroy();
  }
}

interface Dialled {
  readonly path: string;
  readonly options: Record<string, string>;
  readonly file?: Readable;
  readonly isStream?: boolean;
  readonly abortSignal?: AbortSignal;
}

function dial<Answer>(docker: Docker, call: Dialled): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  docker.modem.dial({ ...call, method: 'POST', statusCodes: { 200: true, 204: true } }, (error, answer) => {
    // Who dials knows what the path answers.
    if (error === null || error === undefined) resolve(answer as Answer);
    else reject(error instanceof Error ? error : new Error(String(error)));
  });
  return promise;
}

/** All owners and times alike, so that the same files are the same to the engine's cache. */
function contextOf(files: BuildRequest['context']): Readable {
  const pack = tar.pack();
  const mtime = new Date(0);
  for (const { path, content, isExecutable } of files) {
    pack.entry({ name: path, mode: isExecutable ? 0o755 : 0o644, mtime }, Buffer.from(content));
  }
  pack.finalize();
  return pack;
}

async function isPodman(docker: Docker): Promise<boolean> {
  const { Components } = await docker.version();
  return Components.some(({ Name }) => Name.startsWith('Podman'));
}

function failed(request: BuildRequest, failure: string): HpoError {
  const isDistrusted =
    /CERTIFICATE_VERIFY_FAILED|certificate verif|self.signed certificate|unable to get local issuer|unknown (?:authority|issuer)|SSL certificate problem/i;
  if (isDistrusted.test(failure) && request.secrets['ca'] === undefined) {
    return new HpoError(
      'HPO-2408',
      `the image ${request.name} could not be built: ${failure}`,
      'a step does not trust the certificate that it was shown, as behind a proxy: give it those of this machine, by RUN --mount=type=secret,id=ca PIP_CERT=/run/secrets/ca pip install …',
    );
  }
  return new HpoError(
    'HPO-2408',
    `the image ${request.name} could not be built: ${failure}`,
    'mend what the last lines tell of, in the manifest or the Dockerfile that it is built from; hpo image SCRIPT --print shows all of it',
  );
}
