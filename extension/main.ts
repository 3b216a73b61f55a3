import { performance } from 'node:perf_hooks';
import { commands, Disposable, type ExtensionContext, languages, type LogOutputChannel, Uri, window, workspace } from 'vscode';
import type { StudyCommand } from '../agent/protocol/requests.ts';
import { AgentLink } from './client/agentLink.ts';
import { StudyStore } from './client/studyStore.ts';
import { chooseBackend } from './commands/chooseBackend.ts';
import { chooseStudy, type StudyArgument } from './commands/chooseStudy.ts';
import { insertBest } from './commands/insertBest.ts';
import { parametersCommand } from './commands/parameters.ts';
import { confirmDelete, sendCommand, studyCommands } from './commands/studyCommands.ts';
import { TrialLogs } from './commands/trialLog.ts';
import { tuneScript } from './commands/tune.ts';
import { settings } from './config.ts';
import { AnnotatedScripts, annotatedSelector } from './editor/annotatedScripts.ts';
import { TuneLens } from './editor/codeLens.ts';
import { annotationDiagnostics } from './editor/diagnostics.ts';
import { StudyPanels } from './panel/studyPanel.ts';
import type { ConnectRequest } from './client/connect.ts';
import type { HandOver, Services } from './services.ts';
import { contextKeys } from './views/contextKeys.ts';
import { endNotifications } from './views/notifications.ts';
import { StudyStatus } from './views/statusBar.ts';
import { StudyTree } from './views/studyTree.ts';

const loaded = performance.now();

/** What other extensions and the tests get: nothing but how long activation took. */
export interface Api {
  readonly activationMs: number;
}

/** The composition root: parts are made and wired here, and nowhere else. */
export function activate(context: ExtensionContext): Api {
  const started = performance.now();
  const log = window.createOutputChannel('HPO', { log: true });
  const services = createServices(context, log);
  context.subscriptions.push(
    log,
    services.scripts,
    services.panels,
    new Disposable(() => void services.link[Symbol.asyncDispose]()),
    annotationDiagnostics(services.scripts),
    new StudyTree(services),
    new StudyStatus(services),
    contextKeys(services),
    endNotifications(services),
    new TrialLogs(services),
    lens(services),
    ...registerCommands(services),
  );
  setImmediate(() => void followAgent(services));
  const activationMs = performance.now() - started;
  log.info(`activated in ${activationMs.toFixed(1)} ms, ${(started - loaded).toFixed(1)} ms after loading`);
  return { activationMs };
}

function createServices(context: ExtensionContext, log: LogOutputChannel): Services {
  const store = new StudyStore();
  const agentMain = Uri.joinPath(context.extensionUri, 'dist', 'agent.cjs').fsPath;
  const version = String(context.extension.packageJSON.version);
  const cliMain = Uri.joinPath(context.extensionUri, 'dist', 'cli.cjs').fsPath;
  const request = async (start: boolean): Promise<ConnectRequest> => {
    const { nodePath: nodeSetting, dockerHost, ...chosen } = settings();
    const isStart = start && workspace.isTrusted;
    // The way to the cluster is a program that is run.
    const agent = workspace.isTrusted ? chosen.agent : 'local';
    return { home: await home(), agentMain, cliMain, nodeSetting, version, dockerHost, agent, start: isStart };
  };
  const link = new AgentLink(store, {
    connect: async (start) => await (await loadClient()).connectChosen(await request(start)),
    hasCrashed: async () => {
      const { isAnnounced, isInCluster } = await loadClient();
      return isInCluster(settings().agent, await home()) || isAnnounced(await home());
    },
    log: (message) => log.info(message),
  });
  const handOver = async (): Promise<HandOver | null> => {
    const { connect, isInCluster, moveStudy } = await loadClient();
    if (!isInCluster(settings().agent, await home())) return null;
    const client = await connect(await request(true));
    return {
      client,
      begin: async (studyId) => {
        const there = await link.client();
        const say = (text: string): void => log.info(text);
        await moveStudy(studyId, { client, place: 'this machine' }, { client: there, place: 'the cluster' }, say);
        await there.request('study/command', { studyId, command: { type: 'resume' } });
      },
      [Symbol.asyncDispose]: async () => await client[Symbol.asyncDispose](),
    };
  };
  return {
    context,
    log,
    store,
    link,
    scripts: new AnnotatedScripts(),
    panels: new StudyPanels({ context, store, link }),
    home,
    handOver,
  };
}

/** Folder of the agent's state. */
async function home(): Promise<string> {
  return (await loadClient()).agentHome(settings().home);
}

/** The client brings decoders that take longer to load than everything else here: only when they are needed. */
async function loadClient() {
  return await import('./client/connect.ts');
}

function lens(services: Services): Disposable {
  const provider = new TuneLens(services);
  return Disposable.from(provider, languages.registerCodeLensProvider(annotatedSelector, provider));
}

function registerCommands(services: Services): readonly Disposable[] {
  return [
    commands.registerCommand('hpo.tune', async (target: Uri | undefined) => await tuneScript(services, target)),
    commands.registerCommand('hpo.tuneInDocker', async (target: Uri | undefined) => await tuneScript(services, target, 'docker')),
    commands.registerCommand(
      'hpo.tuneOnKubernetes',
      async (target: Uri | undefined) => await tuneScript(services, target, 'kubernetes'),
    ),
    commands.registerCommand('hpo.selectBackend', chooseBackend),
    commands.registerCommand(
      'hpo.insertBest',
      async (argument: StudyArgument, options?: { preview?: boolean }) => await insertBest(services, argument, options),
    ),
    commands.registerCommand('hpo.showPanel', async (argument: StudyArgument) => {
      const none = 'There is no study yet. Open a training script and run “Tune This Script”.';
      const view = await chooseStudy(services, argument, 'Show Study Panel', () => true, none);
      if (view !== undefined) await services.panels.show(view.studyId);
    }),
    // Not in the palette: what the panel's buttons send.
    commands.registerCommand('hpo.sendStudyCommand', async (studyId: string, command: StudyCommand) => {
      const view = services.store.get(studyId);
      if (command.type !== 'delete') await sendCommand(services, studyId, command);
      else if (view !== undefined) await confirmDelete(services, view);
    }),
    parametersCommand(services),
    ...studyCommands(services),
  ];
}

/** Joins an agent that runs, starts one for studies that exist, and notices one that is started elsewhere. */
async function followAgent(services: Services): Promise<void> {
  const { hasJournal, watchAgent } = await loadClient();
  const folder = await services.home();
  const watching = watchAgent(folder, () => void services.link.join());
  services.context.subscriptions.push(new Disposable(() => watching[Symbol.dispose]()));
  // Without an agent nobody reads the journal: the tree says so where it may not start one.
  const tellUnread = (): void => {
    const isUnread = services.link.state !== 'online' && hasJournal(folder);
    void commands.executeCommand('setContext', 'hpo.hasUnreadStudies', isUnread);
  };
  const following = services.link.onState(tellUnread);
  services.context.subscriptions.push(new Disposable(() => following[Symbol.dispose]()));
  tellUnread();
  const wake = async (): Promise<void> => {
    if ((await services.link.join()) || !workspace.isTrusted || !hasJournal(folder)) return;
    await services.link.client().catch((error: unknown) => services.log.error(error instanceof Error ? error : String(error)));
  };
  services.context.subscriptions.push(workspace.onDidGrantWorkspaceTrust(() => void wake()));
  await wake();
}
