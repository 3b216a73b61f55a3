import { HpoError } from '../protocol/errors.ts';

export function unreachable(host: string, why: string, cause?: unknown): HpoError {
  return new HpoError(
    'HPO-2470',
    `the registry ${host} cannot be reached: ${why}`,
    'check its name, the network and the proxy settings (HTTPS_PROXY, NO_PROXY), then try again',
    { cause },
  );
}

export function notAllowed(host: string, what: string, isKnown: boolean): HpoError {
  return isKnown
    ? new HpoError(
        'HPO-2471',
        `the registry ${host} does not allow it: ${what}, with the login that is kept for ${host}`,
        `log in as somebody who may, with docker login ${host}, or check the name of the repository: many registries say this of one that is not there`,
        { exitCode: 4 },
      )
    : new HpoError(
        'HPO-2471',
        `the registry ${host} does not allow it: ${what}; no login for ${host} is in Docker's configuration (config.json in DOCKER_CONFIG, else ~/.docker) nor known to its credential helpers`,
        `log in with docker login ${host}, or check the name of the repository: many registries say this of one that is not there`,
        { exitCode: 4 },
      );
}

export function noSuchImage(name: string, cause?: unknown): HpoError {
  return new HpoError('HPO-2472', `there is no image ${name}`, 'check the name and the tag, or push it first', {
    cause,
    exitCode: 4,
  });
}

export function refused(host: string, what: string, why: string, cause?: unknown): HpoError {
  return new HpoError(
    'HPO-2473',
    `the registry ${host} refuses or broke off: ${what}: ${why}`,
    'see what it says; what was pushed so far is not pushed again',
    { cause },
  );
}

export function wrongDigest(host: string, what: string, expected: string, found: string): HpoError {
  return new HpoError(
    'HPO-2474',
    `what the registry ${host} sent for ${what} is not what its digest says: ${found} instead of ${expected}`,
    'try again; if it stays, something between here and the registry changes what is sent (a proxy), or the registry has lost data',
  );
}
