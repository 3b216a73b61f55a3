// The parts of one test cluster: how each is told what it needs to know, started, and ended again.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { Certificates } from './certificates.mjs';
import { kueueConfig, kueueObjects } from './kueue.mjs';
import { addAddress, makeControlGroup, removeControlGroup, removeNetwork, unmountBelow } from './network.mjs';
import { pauseArchive, pauseImage } from './pauseImage.mjs';
import { end, isOf, launch, processesOf, until } from './processes.mjs';

/** Most nodes of a cluster, and ports that each cluster has to itself. */
export const maxNodes = 8;
const portsEach = 32;
const firstPort = 21_000;

/** What of the kernel's and of the machine's a cluster takes: all of it follows from its number, so that another process can take it away. */
export function placeOf(index, nodes) {
  const port = (n) => firstPort + index * portsEach + n;
  const names = Array.from({ length: nodes }, (_, n) => `hpo-c${index}n${n}`);
  return {
    ports: { etcd: port(0), etcdPeer: port(1), api: port(2), registry: port(3), kueue: port(4), kueueHealth: port(5) },
    services: `10.92.${index}.0/24`,
    apiAddress: `10.92.${index}.1`,
    nodes: names.map((bridge, n) => ({
      name: `node-${n + 1}`,
      address: `10.93.${index}.${1 + n}`,
      pods: `10.91.${index * maxNodes + n}.0/24`,
      port: port(8 + n),
      bridge,
      network: `${bridge}-pods`,
      controlGroup: bridge,
    })),
  };
}

/** Takes away whatever is left of a cluster: its processes first, then what they held. */
export async function removeCluster(folder, place) {
  for (const pid of processesOf(`${folder}/`).filter((one) => !isShim(one))) await end(pid, folder, 'SIGKILL');
  for (const { controlGroup } of place.nodes) removeControlGroup(controlGroup);
  for (const pid of processesOf(`${folder}/`)) await end(pid, folder, 'SIGKILL');
  unmountBelow(folder);
  removeNetwork({
    addresses: [place.apiAddress, ...place.nodes.map(({ address }) => address)],
    bridges: place.nodes.map(({ bridge }) => bridge),
    networks: place.nodes.map(({ network }) => network),
  });
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Undefined for one that was never started. */
function hasEnded(child) {
  return child && (child.exitCode !== null || child.signalCode !== null);
}

/** Shims hold what runs in containers, and end with it. */
function isShim(pid) {
  return isOf(pid, 'containerd-shim');
}

export class ClusterParts {
  #folder;
  #place;
  #programs;
  #certificates;
  #running = new Map();
  #forward = null;
  #kueue = null;

  constructor({ folder, place, programs }) {
    this.#folder = folder;
    this.#place = place;
    this.#programs = programs;
    for (const name of ['pki', 'log', 'registry']) mkdirSync(join(folder, name), { recursive: true });
    this.#certificates = new Certificates(join(folder, 'pki'));
    const { apiAddress } = place;
    const names = ['IP:127.0.0.1', `IP:${apiAddress}`, 'DNS:localhost', 'DNS:kubernetes.default.svc'];
    this.#certificates.sign('server', '/CN=kube-apiserver', names);
    this.#certificates.sign('admin', '/O=system:masters/CN=admin');
    writeFileSync(this.kubeconfig, this.#certificates.kubeconfig('admin', this.server));
  }

  get server() {
    return `https://127.0.0.1:${this.#place.ports.api}`;
  }

  /** Of somebody who may do everything; its context is `test`. */
  get kubeconfig() {
    return join(this.#folder, 'admin.kubeconfig');
  }

  /** `HOST:PORT`, for this machine and for the nodes, over http. */
  get registry() {
    return `localhost:${this.#place.ports.registry}`;
  }

  get nodeNames() {
    return this.#place.nodes.map(({ name }) => name);
  }

  async startAll() {
    await Promise.all([
      this.start('etcd'),
      this.start('registry'),
      ...this.#place.nodes.map((_, n) => this.start('containerd', n)),
    ]);
    await this.start('apiserver');
    await Promise.all([
      this.start('controllers'),
      this.start('scheduler'),
      ...this.#place.nodes.map((_, n) => this.start('kubelet', n)),
    ]);
    await until('the account of pods', () => this.#has('/api/v1/namespaces/default/serviceaccounts/default'));
    this.#forward = forward(this.#place.apiAddress, 443, this.#place.ports.api);
  }

  /** Resolves when it answers. Nothing happens to one that runs. */
  async start(part, node = 0) {
    const key = `${part} ${node}`;
    if (hasEnded(this.#running.get(key)) === false) return;
    const { program, args, isReady } = this.#parts[part](node);
    const logFile = join(this.#folder, 'log', `${key.replace(' ', '-')}.log`);
    const started = launch(program, args, { cwd: this.#folder, logFile });
    this.#running.set(key, started);
    await until(`${key} (its output: ${logFile})`, isReady, () => !hasEnded(started));
  }

  /** SIGTERM gives it 15 s; SIGKILL is a crash. Containers run on without their kubelet and containerd. Resolves when it is gone. */
  async stop(part, node = 0, signal = 'SIGTERM') {
    const key = `${part} ${node}`;
    const child = this.#running.get(key);
    if (hasEnded(child) !== false) return;
    // Its command line is gone before its sockets are.
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await end(child.pid, this.#folder, signal);
    await ended;
  }

  /** With what `installKueue` says; stopped and started again as the part `kueue`. */
  async startKueue(installed) {
    this.#kueue = installed;
    const objects = kueueObjects(installed.definitions, `https://127.0.0.1:${this.#place.ports.kueue}`, this.#pki('ca.crt'));
    const list = this.#write('kueue.json', JSON.stringify(objects));
    const kubectl = (...args) => {
      const { status, stderr } = spawnSync(this.#programs.kubectl, ['--kubeconfig', this.kubeconfig, ...args], {
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    };
    kubectl('apply', '--server-side', '--filename', list);
    const names = objects.items
      .filter(({ kind }) => kind === 'CustomResourceDefinition')
      .map(({ metadata }) => `crd/${metadata.name}`);
    // Without a status it refuses to wait for one.
    await until('the kinds of Kueue', () => {
      kubectl('wait', '--for', 'condition=Established', ...names, '--timeout', '60s');
      return true;
    });
    await this.start('kueue');
  }

  async [Symbol.asyncDispose]() {
    this.#forward?.close();
    await removeCluster(this.#folder, this.#place);
  }

  #parts = {
    etcd: () => {
      const client = `http://127.0.0.1:${this.#place.ports.etcd}`;
      const peer = `http://127.0.0.1:${this.#place.ports.etcdPeer}`;
      return {
        program: 'etcd',
        args: [
          `--data-dir=${join(this.#folder, 'etcd')}`,
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=default=${peer}`,
          '--unsafe-no-fsync',
        ],
        isReady: async () => (await fetch(`${client}/health`)).ok,
      };
    },
    registry: () => {
      const config = {
        version: '0.1',
        log: { level: 'warn' },
        storage: { filesystem: { rootdirectory: join(this.#folder, 'registry') }, delete: { enabled: true } },
        http: { addr: `127.0.0.1:${this.#place.ports.registry}` },
      };
      return {
        program: 'docker-registry',
        args: ['serve', this.#write('registry.yml', JSON.stringify(config))],
        isReady: async () => (await fetch(`http://127.0.0.1:${this.#place.ports.registry}/v2/`)).ok,
      };
    },
    apiserver: () => ({
      program: this.#programs.kubelite,
      args: [
        'kube-apiserver',
        `--etcd-servers=http://127.0.0.1:${this.#place.ports.etcd}`,
        `--secure-port=${this.#place.ports.api}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        '--endpoint-reconciler-type=none',
        `--service-cluster-ip-range=${this.#place.services}`,
        `--client-ca-file=${this.#pki('ca.crt')}`,
        `--tls-cert-file=${this.#pki('server.crt')}`,
        `--tls-private-key-file=${this.#pki('server.key')}`,
        `--service-account-key-file=${this.#pki('accounts.pub')}`,
        `--service-account-signing-key-file=${this.#pki('accounts.key')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        '--kubelet-preferred-address-types=InternalIP',
        `--kubelet-certificate-authority=${this.#pki('ca.crt')}`,
        `--kubelet-client-certificate=${this.#pki('admin.crt')}`,
        `--kubelet-client-key=${this.#pki('admin.key')}`,
        `--cert-dir=${this.#pki('made')}`,
      ],
      isReady: () => this.#has('/readyz'),
    }),
    controllers: () => ({
      program: this.#programs.kubelite,
      args: [
        'kube-controller-manager',
        `--kubeconfig=${this.kubeconfig}`,
        `--service-account-private-key-file=${this.#pki('accounts.key')}`,
        `--root-ca-file=${this.#pki('ca.crt')}`,
        '--use-service-account-credentials=true',
        '--leader-elect=false',
        '--secure-port=0',
      ],
      isReady: () => true,
    }),
    scheduler: () => ({
      program: this.#programs.kubelite,
      args: ['kube-scheduler', `--kubeconfig=${this.kubeconfig}`, '--leader-elect=false', '--secure-port=0'],
      isReady: () => true,
    }),
    kueue: () => {
      // Kueue takes the certificate of its metrics from /etc alone, also where it serves none: it gets one of its own.
      const etc = join(this.#folder, 'kueue', 'etc');
      const certificates = join(etc, 'kueue', 'metrics', 'certs');
      mkdirSync(certificates, { recursive: true });
      copyFileSync(this.#pki('server.crt'), join(certificates, 'tls.crt'));
      copyFileSync(this.#pki('server.key'), join(certificates, 'tls.key'));
      const { kueue: port, kueueHealth: healthPort } = this.#place.ports;
      const config = this.#write('kueue/config.yaml', JSON.stringify(kueueConfig({ port, healthPort, certificates })));
      const args = [`--config=${config}`, `--kubeconfig=${this.kubeconfig}`, '--feature-gates=VisibilityOnDemand=false'];
      return {
        program: 'unshare',
        args: ['--mount', 'sh', '-c', 'mount --bind "$0" /etc && exec "$@"', etc, this.#kueue.kueue, ...args],
        isReady: async () => (await fetch(`http://127.0.0.1:${healthPort}/readyz`)).ok,
      };
    },
    containerd: (n) => {
      const config = this.#write(`node-${n}/containerd.toml`, this.#containerdConfig(n));
      const { bridge, network, pods } = this.#place.nodes[n];
      const ipam = {
        type: 'host-local',
        dataDir: join(this.#node(n), 'addresses'),
        ranges: [[{ subnet: pods }]],
        routes: [{ dst: '0.0.0.0/0' }],
      };
      const plugins = [{ type: 'bridge', bridge, isGateway: true, ipMasq: true, ipam }, { type: 'loopback' }];
      this.#write(`node-${n}/cni/10-pods.conflist`, JSON.stringify({ cniVersion: '0.4.0', name: network, plugins }));
      const ctr = (...args) =>
        spawnSync('ctr', ['--address', join(this.#node(n), 'containerd.sock'), '--namespace', 'k8s.io', ...args], {
          encoding: 'utf8',
        });
      let hasPause = false;
      return {
        program: 'containerd',
        args: ['--config', config],
        isReady: () => {
          hasPause ||= ctr('images', 'import', this.#pauseArchive()).status === 0;
          return hasPause && ctr('images', 'ls', '-q').stdout.includes(pauseImage);
        },
      };
    },
    kubelet: (n) => {
      const { name, address, controlGroup, port } = this.#place.nodes[n];
      this.#certificates.sign(name, `/O=system:nodes/CN=system:node:${name}`, [`DNS:${name}`, `IP:${address}`]);
      const kubeconfig = this.#write(`node-${n}/kubeconfig`, this.#certificates.kubeconfig(name, this.server));
      addAddress(address);
      makeControlGroup(controlGroup);
      return {
        program: this.#programs.kubelite,
        args: [
          'kubelet',
          `--kubeconfig=${kubeconfig}`,
          `--config=${this.#write(`node-${n}/kubelet.json`, JSON.stringify(this.#kubeletConfig(n)))}`,
          `--hostname-override=${name}`,
          `--node-ip=${address}`,
          `--root-dir=${join(this.#node(n), 'kubelet')}`,
          `--cert-dir=${this.#pki('made')}`,
        ],
        isReady: async () => {
          await connects(address, port);
          const node = await this.#get(`/api/v1/nodes/${name}`);
          return node?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
        },
      };
    },
  };

  #containerdConfig(n) {
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    const text = JSON.stringify;
    return `version = 2
root = ${text(join(this.#node(n), 'root'))}
state = ${text(join(this.#node(n), 'run'))}
[grpc]
  address = ${text(join(this.#node(n), 'containerd.sock'))}
[${cri}]
  sandbox_image = ${text(pauseImage)}
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [${cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${text(join(this.#node(n), 'cni'))}
  [${cri}.registry.mirrors.${text(this.registry)}]
    endpoint = [${text(`http://${this.registry}`)}]
`;
  }

  #kubeletConfig(n) {
    const { name, address, controlGroup, port } = this.#place.nodes[n];
    return {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      address,
      port,
      healthzPort: 0,
      authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: this.#pki('ca.crt') } },
      authorization: { mode: 'Webhook' },
      tlsCertFile: this.#pki(`${name}.crt`),
      tlsPrivateKeyFile: this.#pki(`${name}.key`),
      cgroupDriver: 'cgroupfs',
      cgroupRoot: `/${controlGroup}`,
      containerRuntimeEndpoint: `unix://${join(this.#node(n), 'containerd.sock')}`,
      podLogsDir: join(this.#node(n), 'logs'),
      volumePluginDir: join(this.#node(n), 'plugins'),
      resolvConf: '/etc/resolv.conf',
      makeIPTablesUtilChains: false,
      failSwapOn: false,
      failCgroupV1: false,
      // A developer's disk may be fuller than a server's.
      evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
      imageGCHighThresholdPercent: 100,
      imageGCLowThresholdPercent: 99,
      // Pods ask for little, so that many fit on one machine; to be held to that would slow each of them down fifty times.
      cpuCFSQuota: false,
      // So that tests see logs rotated away in seconds.
      containerLogMaxSize: '1Mi',
      containerLogMonitorInterval: '3s',
    };
  }

  #pauseArchive() {
    return this.#write('pause.tar', pauseArchive(this.#programs.pause));
  }

  #pki(file) {
    return this.#certificates.path(file);
  }

  #node(n) {
    return join(this.#folder, `node-${n}`);
  }

  #write(name, content) {
    const path = join(this.#folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  async #has(path) {
    return (await this.#get(path)) !== null;
  }

  /** Null where it is not there. */
  #get(path) {
    const { ca, cert, key } = this.#credentials();
    return new Promise((resolve, reject) => {
      const asked = request(`${this.server}${path}`, { ca, cert, key, agent: false, timeout: 5_000 }, (answer) => {
        let text = '';
        answer.on('data', (chunk) => (text += chunk));
        answer.once('error', reject);
        answer.once('end', () => {
          if (answer.statusCode === 404) resolve(null);
          else if (answer.statusCode !== 200) reject(new Error(`${answer.statusCode} ${text.slice(0, 300)}`));
          else resolve(text.startsWith('{') ? JSON.parse(text) : text);
        });
      });
      asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.once('error', reject);
      asked.end();
    });
  }

  #credentials() {
    const read = (file) => readFileSync(this.#pki(file));
    return { ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key') };
  }
}

function connects(address, port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address, () => resolve(socket.destroy()));
    socket.once('error', reject);
  });
}

/** The API server where pods look for it, as no kube-proxy is there to lead them. */
function forward(address, port, to) {
  addAddress(address);
  const server = createServer((from) => {
    const onward = connect(to, '127.0.0.1');
    for (const [one, other] of [
      [from, onward],
      [onward, from],
    ]) {
      one.on('error', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(port, address);
  return server;
}
