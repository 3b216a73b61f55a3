import protobuf from 'protobufjs/light.js';

/**
 * The messages of BuildKit that a build needs, by field number as in moby/buildkit's `secrets.proto`, `auth.proto`,
 * `control.proto` and gRPC's `health.proto`; fields that nobody reads here are left out.
 */
const root = protobuf.Root.fromJSON({
  nested: {
    SecretRequest: { fields: { id: { type: 'string', id: 1 } } },
    SecretResponse: { fields: { data: { type: 'bytes', id: 1 } } },
    CredentialsRequest: { fields: { host: { type: 'string', id: 1 } } },
    CredentialsResponse: { fields: { username: { type: 'string', id: 1 }, secret: { type: 'string', id: 2 } } },
    HealthRequest: { fields: { service: { type: 'string', id: 1 } } },
    /** `status` 1 is SERVING. */
    HealthResponse: { fields: { status: { type: 'int32', id: 1 } } },
    Time: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
    Step: {
      fields: {
        digest: { type: 'string', id: 1 },
        name: { type: 'string', id: 3 },
        cached: { type: 'bool', id: 4 },
        started: { type: 'Time', id: 5 },
        completed: { type: 'Time', id: 6 },
        error: { type: 'string', id: 7 },
      },
    },
    Output: { fields: { vertex: { type: 'string', id: 1 }, msg: { type: 'bytes', id: 4 } } },
    Status: {
      fields: {
        vertexes: { rule: 'repeated', type: 'Step', id: 1 },
        logs: { rule: 'repeated', type: 'Output', id: 3 },
      },
    },
  },
});

/** Reads and writes one kind of message; `Message` says what is in it. */
export interface Codec<Message> {
  readonly encode: (message: Message) => Buffer;
  readonly decode: (bytes: Uint8Array) => Message;
}

function codec<Message extends object>(name: string): Codec<Message> {
  const type = root.lookupType(name);
  return {
    encode: (message) => Buffer.from(type.encode(type.fromObject(message)).finish()),
    // The fields are those of the descriptor above.
    decode: (bytes) => type.toObject(type.decode(bytes), { defaults: true, arrays: true, longs: Number }) as Message,
  };
}

export interface BuildStep {
  readonly digest: string;
  readonly name: string;
  readonly cached: boolean;
  readonly started: object | null;
  readonly completed: object | null;
  readonly error: string;
}

export interface BuildStatus {
  readonly vertexes: readonly BuildStep[];
  readonly logs: readonly { readonly vertex: string; readonly msg: Uint8Array }[];
}

export const secretRequest = codec<{ id: string }>('SecretRequest');
export const secretResponse = codec<{ data: Uint8Array }>('SecretResponse');
export const credentialsRequest = codec<{ host: string }>('CredentialsRequest');
export const credentialsResponse = codec<{ username: string; secret: string }>('CredentialsResponse');
export const healthRequest = codec<{ service: string }>('HealthRequest');
export const healthResponse = codec<{ status: number }>('HealthResponse');
export const buildStatus = codec<BuildStatus>('Status');
