import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { type AgentClient, connectAgent, discoveryFile } from '../../../agent/client/index.ts';
import type { StudySummary } from '../../../agent/protocol/requests.ts';
import { Workbench } from '../pages/workbench.ts';
import type { Installed } from './globalSetup.ts';

export interface VscodeOptions {
  /** Whether the workspace's folders count as trusted without asking. Default true. */
  readonly isTrusted?: boolean;
  /** For `runInHost`; it also keeps notifications from popping up. Default false. */
  readonly hasTestDriver?: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Added to the environment of the extension host, and of the command line. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Folder of what tests and documentation show. */
export const screenshots: string = fileURLToPath(new URL('../screenshots', import.meta.url));

const commandLine = fileURLToPath(new URL('../../../dist/cli.cjs', import.meta.url));
const sampleWorkspace = fileURLToPath(new URL('../workspace', import.meta.url));

/** A VS Code of its own: server with a fresh profile, a copy of the sample workspace, an agent's folder, and a browser. */
export class Vscode implements AsyncDisposable {
  readonly home: string;
  readonly workspace: string;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #server: ChildProcess;
  readonly #browser: Browser;
  readonly #url: string;

  private constructor(folder: string, server: ChildProcess, browser: Browser, url: string, env: VscodeOptions['env']) {
    this.#folder = folder;
    this.#server = server;
    this.#browser = browser;
    this.#url = url;
    this.home = join(folder, 'home');
    this.#env = { ...ownEnvironment(folder), ...env };
    this.workspace = join(folder, 'workspace');
  }

  static async start(installed: Installed, options: VscodeOptions = {}): Promise<Vscode> {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-window-')));
    cpSync(sampleWorkspace, join(folder, 'workspace'), { recursive: true });
    writeSettings(folder, options.settings ?? {});
    const { isTrusted = true, hasTestDriver = false } = options;
    const switches = [
      ...(isTrusted ? ['--disable-workspace-trust'] : []),
      ...(hasTestDriver ? ['--enable-smoke-test-driver'] : []),
    ];
    const folders = ['--server-data-dir', join(folder, 'data'), '--extensions-dir', installed.extensionsDir];
    const args = [...serverArguments, ...switches, ...folders];
    const env = { ...process.env, ...ownEnvironment(folder), ...options.env };
    const server = spawn(installed.node, [installed.serverMain, ...args], { stdio: ['ignore', 'pipe', 'ignore'], env });
    const url = await announcedUrl(server);
    const browser = await chromium.launch({ executablePath: installed.chromium, args: chromiumArguments });
    return new Vscode(folder, server, browser, url, options.env);
  }

  /** Opens the sample workspace, or another folder or `.code-workspace` file, in a new window. */
  async open(path = this.workspace): Promise<Workbench> {
    const context = await this.#browser.newContext({ viewport: { width: 1400, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(longestWaitMs);
    const kind = path.endsWith('.code-workspace') ? 'workspace' : 'folder';
    await page.goto(`${this.#url}/?${kind}=${encodeURIComponent(path)}`);
    const workbench = new Workbench(page);
    await workbench.waitUntilReady();
    return workbench;
  }

  /** Runs a test module in the extension host; resolves with its exit code. */
  async runInHost(extensionDir: string, testsModule: string): Promise<number> {
    const page = await this.#browser.newPage();
    const { promise, resolve } = Promise.withResolvers<number>();
    await page.exposeFunction('codeAutomationExit', resolve);
    const remote = this.#url.replace('http:', 'vscode-remote:');
    const payload = JSON.stringify([
      ['extensionDevelopmentPath', remote + extensionDir],
      ['extensionTestsPath', remote + testsModule],
    ]);
    await page.goto(`${this.#url}/?folder=${this.workspace}&payload=${encodeURIComponent(payload)}`);
    return await promise;
  }

  /** Changes user settings; a window knows them after its next reload. */
  set(settings: Readonly<Record<string, unknown>>): void {
    writeSettings(this.#folder, settings);
  }

  /** Runs the command line against the same agent; the JSON objects that it prints. */
  async hpo<T>(...args: readonly string[]): Promise<readonly T[]> {
    return (await this.cli(...args, '--json'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T); // the contract of --json, checked by the tests that use it
  }

  /** The same for people: what it prints. */
  async cli(...args: readonly string[]): Promise<string> {
    const options = { env: { ...process.env, ...this.#env }, cwd: this.workspace };
    return (await promisify(execFile)(process.execPath, [commandLine, ...args], options)).stdout;
  }

  /** Process id of the agent that runs; null when none says that it does. */
  agentPid(): number | null {
    const file = discoveryFile(this.home);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid : null;
  }

  /** A connection to the agent that runs. */
  async connect(): Promise<AgentClient> {
    return await connectAgent({ home: this.home, agentMain: '', node: '', client: 'test', version: '0.1.0', start: false });
  }

  /** The study that was started last. */
  async newest(): Promise<StudySummary> {
    await using client = await this.connect();
    const { studies } = await client.request('study/list', {});
    const [newest] = studies.toSorted((a, b) => b.createdAt - a.createdAt);
    if (newest === undefined) throw new Error('the agent knows no study');
    return newest;
  }

  /** Ends the agent if one runs. */
  async stopAgent(): Promise<void> {
    const agent = await this.connect().catch(() => null);
    await agent?.request('agent/stop', {}).catch(() => undefined);
    await agent?.closed;
  }

  path(name: string): string {
    return join(this.workspace, name);
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** Stops the agent if one runs, then everything else. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    this.#server.kill();
    await this.stopAgent();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

function ownEnvironment(folder: string): Readonly<Record<string, string>> {
  return { HPO_HOME: join(folder, 'home'), HPO_CACHE: join(folder, 'cache'), NO_COLOR: '1' };
}

/** For a machine that has other things to do. */
const longestWaitMs = 60_000;

function writeSettings(folder: string, settings: Readonly<Record<string, unknown>>): void {
  const file = join(folder, 'data', 'data', 'User', 'settings.json');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ ...quietSettings, ...settings }));
}

/** Nothing that asks, greets or phones home. */
const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'chat.disableAIFeatures': true,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'security.workspace.trust.startupPrompt': 'never',
  'telemetry.telemetryLevel': 'off',
  'editor.minimap.enabled': false,
};

const serverArguments = [
  '--host',
  '127.0.0.1',
  '--port',
  '0',
  '--without-connection-token',
  '--accept-server-license-terms',
  '--telemetry-level',
  'off',
];

const chromiumArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The server picks a free port and says where it is. */
async function announcedUrl(server: ChildProcess): Promise<string> {
  if (server.stdout === null) throw new Error('the server was started without a pipe for its output');
  const lines = createInterface(server.stdout);
  for await (const line of lines) {
    const port = /Web UI available at .*:(\d+)/.exec(line)?.[1];
    if (port === undefined) continue;
    // What follows is not wanted, but has to be read for the server to go on.
    server.stdout.resume();
    return `http://127.0.0.1:${port}`;
  }
  throw new Error(`the VS Code server ended with code ${server.exitCode} before it listened`);
}
