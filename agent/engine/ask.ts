import type { Readable } from 'node:stream';
import type Docker from 'dockerode';

/** GET of a path of the API; for what dockerode, or its types, give no way to call off. */
export function ask<Answer>(docker: Docker, path: string, abortSignal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  docker.modem.dial({ path, method: 'GET', abortSignal, statusCodes: { 200: true } }, (error: unknown, answer: unknown) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API's documentation says what comes
    if (error === null || error === undefined) resolve(answer as Answer);
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the client rejects with errors alone
    else reject(error);
  });
  return promise;
}

/** GET of a path whose answer is bytes, as they come. */
export function askStream(docker: Docker, path: string, abortSignal: AbortSignal | undefined): Promise<Readable> {
  const { promise, resolve, reject } = Promise.withResolvers<Readable>();
  const options = {
    path,
    method: 'GET',
    isStream: true,
    ...(abortSignal === undefined ? {} : { abortSignal }),
    statusCodes: { 200: true },
  };
  docker.modem.dial(options, (error: unknown, answer: unknown) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the client gives for `isStream`
    if (error === null || error === undefined) resolve(answer as Readable);
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the client rejects with errors alone
    else reject(error);
  });
  return promise;
}
