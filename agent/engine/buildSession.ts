import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import type Docker from 'dockerode';
import {
  type Codec,
  credentialsRequest,
  credentialsResponse,
  healthRequest,
  healthResponse,
  secretRequest,
  secretResponse,
} from './buildMessages.ts';
import type { RegistryCredentials } from './registryCredentials.ts';

/** What BuildKit may ask of whoever wants a build. */
export interface BuildServices {
  readonly secrets: Readonly<Record<string, Uint8Array>>;
  readonly credentials: (host: string) => Promise<RegistryCredentials | null>;
}

/** A connection over which BuildKit asks back while it builds; closed by disposing it. */
export interface BuildSession extends Disposable {
  readonly id: string;
}

/**
 * The connection goes the other way round: the engine, which was dialled, is the gRPC client, and this process its server.
 * Secrets travel in it alone, so that the engine has them in memory for the steps that mount them and nowhere else.
 */
export async function openBuildSession(docker: Docker, services: BuildServices): Promise<BuildSession> {
  const id = randomUUID();
  const methods = [
    method('moby.buildkit.secrets.v1.Secrets', 'GetSecret', secretRequest, secretResponse, ({ id: wanted }) => {
      const data = Object.hasOwn(services.secrets, wanted) ? services.secrets[wanted] : undefined;
      if (data === undefined) throw new RpcError(grpc.status.NOT_FOUND, `there is no secret ${wanted}`);
      return { data };
    }),
    method('moby.filesync.v1.Auth', 'Credentials', credentialsRequest, credentialsResponse, async ({ host }) => {
      return (await services.credentials(host)) ?? { username: '', secret: '' };
    }),
    // The engine closes a session that does not answer this.
    method('grpc.health.v1.Health', 'Check', healthRequest, healthResponse, () => ({ status: 1 })),
  ];
  const socket = await dial(
    docker,
    id,
    methods.map(({ definition }) => definition.path),
  );
  const server = new grpc.Server();
  for (const { definition, handler } of methods) server.addService({ only: definition }, { only: handler });
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  // A connection that breaks off fails the build, which says so; unheard, it would end the process.
  socket.on('error', () => undefined);
  injector.injectConnection(socket);
  return {
    id,
    [Symbol.dispose]: () => {
      injector.destroy();
      server.forceShutdown();
      socket.destroy();
    },
  };
}

class RpcError extends Error {
  readonly code: grpc.status;

  constructor(code: grpc.status, message: string) {
    super(message);
    this.code = code;
  }
}

interface Method {
  readonly definition: grpc.MethodDefinition<object, object>;
  readonly handler: grpc.handleUnaryCall<object, object>;
}

function method<Request extends object, Response extends object>(
  service: string,
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
  answer: (request: Request) => Response | Promise<Response>,
): Method {
  const definition: grpc.MethodDefinition<Request, Response> = {
    path: `/${service}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  };
  const handler: grpc.handleUnaryCall<Request, Response> = (call, callback) => void respond(answer, call.request, callback);
  // gRPC passes to each handler what its own definition decodes.
  return { definition, handler } as unknown as Method;
}

async function respond<Request, Response>(
  answer: (request: Request) => Response | Promise<Response>,
  request: Request,
  callback: grpc.sendUnaryData<Response>,
): Promise<void> {
  try {
    callback(null, await answer(request));
  } catch (error) {
    const code = error instanceof RpcError ? error.code : grpc.status.INTERNAL;
    callback({ code, details: error instanceof Error ? error.message : String(error) });
  }
}

function dial(docker: Docker, id: string, methods: string[]): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const options = {
    method: 'POST',
    path: '/session',
    hijack: true,
    headers: {
      Upgrade: 'h2c',
      'X-Docker-Expose-Session-Uuid': id,
      'X-Docker-Expose-Session-Name': 'hpo',
      'X-Docker-Expose-Session-Grpc-Method': methods,
    },
    statusCodes: { 200: true, 500: 'server error' },
  };
  docker.modem.dial(options, (error, socket) => {
    // What a hijacked connection answers.
    if (error === null || error === undefined) resolve(socket as Duplex);
    else reject(error instanceof Error ? error : new Error(String(error)));
  });
  return promise;
}
