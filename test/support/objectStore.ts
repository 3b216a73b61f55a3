import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { pythonEnv } from './python.ts';

const run = promisify(execFile);

/** A server that speaks S3 (moto), with one empty bucket, which checks the signature of each request but those that make it. */
export interface TestObjectStore extends AsyncDisposable {
  /** `http://ADDRESS:PORT` */
  readonly endpoint: string;
  readonly bucket: string;
  readonly keys: Readonly<Record<'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY', string>>;
  /** Names of all objects, sorted. */
  names(): Promise<readonly string[]>;
  /** Another byte in the middle of an object, as of a disk that fails. */
  damage(name: string): Promise<void>;
}

/** By Amazon's own client. */
const listing = `
import boto3, sys
client = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
for name in sorted(one["Key"] for one in client.list_objects_v2(Bucket=sys.argv[2]).get("Contents", [])):
    print(name)
`;

const damaging = `
import boto3, sys
client = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
content = bytearray(client.get_object(Bucket=sys.argv[2], Key=sys.argv[3])["Body"].read())
content[len(content) // 2] ^= 255
client.put_object(Bucket=sys.argv[2], Key=sys.argv[3], Body=bytes(content))
`;

/** `address` is one of this machine, as whoever asks it knows it. */
export async function startObjectStore(address: string): Promise<TestObjectStore> {
  const python = await pythonEnv('moto', ['moto[server]==5.2.5']);
  const port = await freePort(address);
  const endpoint = `http://${address}:${port}`;
  const setUp = 4;
  const child = spawn(join(dirname(python), 'moto_server'), ['-H', address, '-p', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, INITIAL_NO_AUTH_ACTION_COUNT: String(setUp) },
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const ended = once(child, 'exit');
  for (let n = 0; (await fetch(`${endpoint}/moto-api/`).catch(() => null)) === null; n++) {
    if (child.exitCode !== null || n > 600) throw new Error(`moto does not answer: ${Buffer.concat(said).toString()}`);
    await sleep(100);
  }
  const ask = async (service: string, words: Readonly<Record<string, string>> | null, path = '/'): Promise<string> => {
    const authorization = `AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=none`;
    const answer = await fetch(`${endpoint}${path}`, {
      method: words === null ? 'PUT' : 'POST',
      headers: { authorization },
      body: words === null ? null : new URLSearchParams({ Version: '2010-05-08', ...words }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path} ${JSON.stringify(words)}: ${text}`);
    return text;
  };
  const user = { UserName: 'tester' };
  const all = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };
  await ask('iam', { Action: 'CreateUser', ...user });
  await ask('iam', { Action: 'PutUserPolicy', ...user, PolicyName: 'all', PolicyDocument: JSON.stringify(all) });
  const made = await ask('iam', { Action: 'CreateAccessKey', ...user });
  const bucket = 'kept';
  await ask('s3', null, `/${bucket}`);
  const inside = (tag: string): string => new RegExp(`<${tag}>(.*?)</${tag}>`).exec(made)?.[1] ?? '';
  const keys = { AWS_ACCESS_KEY_ID: inside('AccessKeyId'), AWS_SECRET_ACCESS_KEY: inside('SecretAccessKey') };
  return {
    endpoint,
    bucket,
    keys,
    async names() {
      const { stdout } = await run(python, ['-c', listing, endpoint, bucket], { env: { ...process.env, ...keys } });
      return stdout.split('\n').filter(Boolean);
    },
    async damage(name) {
      await run(python, ['-c', damaging, endpoint, bucket, name], { env: { ...process.env, ...keys } });
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

async function freePort(address: string): Promise<number> {
  const server = createServer();
  server.listen(0, address);
  await once(server, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
