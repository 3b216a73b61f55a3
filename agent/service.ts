import { randomBytes } from 'node:crypto';
import type { Cleaner } from './clean.ts';
import { keyText } from './driver/attempts.ts';
import type { Driver } from './driver/driver.ts';
import type { EntrySink } from './driver/subscriptions.ts';
import type { AttemptOutput } from './driver/ports.ts';
import { withEarlierResults } from './earlierResults.ts';
import { describeImage, makeImage } from './preflight/scriptImage.ts';
import type { Moves } from './moves.ts';
import { type PreflightPorts, preflight, prepareStudy } from './preflight/preflight.ts';
import { droppedOf, droppedText } from './protocol/dropped.ts';
import { HpoError } from './protocol/errors.ts';
import { plural } from './protocol/format.ts';
import { currencyOf, gpuHours, studyUse } from './protocol/metered.ts';
import type { AgentStatus, Requests, StudySummary, TuneRequest } from './protocol/requests.ts';
import { bestTrial, countTrials, type StudyView } from './protocol/view.ts';
import { waitsOf } from './protocol/waits.ts';
import type { RequestContext, ServedRequest, Service } from './server/server.ts';
import { version } from './version.ts';

const logChunkBytes = 1024 * 1024;
const maxViewTrials = 5_000;

export interface ServicePorts extends PreflightPorts {
  readonly driver: Driver;
  readonly output: AttemptOutput;
  readonly socket: string;
  readonly home: string;
  readonly cleaner: Cleaner;
  readonly moves: Moves;
  /** See `AgentStatus.id`. */
  readonly agentId: string;
  /** See `AgentStatus.dockerHost`. */
  readonly dockerHost: string | null;
  /** See `AgentStatus.dockerHostVariable`. */
  readonly dockerHostVariable: string | null;
  /** Why the agent does not reach the cluster that it is in; null where it does, or is in none. */
  readonly reach: () => Promise<HpoError | null>;
  /** Asks the agent to end, after the answer is on its way. */
  readonly requestStop: () => void;
}

type Handler<N extends ServedRequest> = (
  params: Requests[N]['params'],
  context: RequestContext,
) => Requests[N]['result'] | Promise<Requests[N]['result']>;

/** What clients may ask, over the driver. */
export class AgentService implements Service {
  readonly version = version;
  readonly #ports: ServicePorts;
  readonly #handlers: { readonly [N in ServedRequest]: Handler<N> };

  constructor(ports: ServicePorts) {
    this.#ports = ports;
    const { driver } = ports;
    this.#handlers = {
      'agent/status': () => this.#status(),
      'agent/reach': async () => {
        const why = await ports.reach();
        return { problem: why === null ? null : { code: why.code, message: why.message, next: why.next } };
      },
      'agent/stop': () => {
        ports.requestStop();
        return {};
      },
      'agent/clean': (request) => ports.cleaner.clean(request),
      'image/describe': (request) => describeImage(request, ports),
      'image/build': ({ request, isFresh }, { progress, signal }) =>
        makeImage(request, isFresh, ports, { onProgress: progress, signal }),
      'study/preflight': (request) => preflight(request, ports),
      'study/create': (request, context) => this.#create(request, context),
      'study/list': () => ({ studies: driver.views().map((view) => withFault(summaryOf(view, Date.now()), driver.fault)) }),
      'study/view': ({ studyId }) => smallEnough(driver.view(studyId)),
      'move/pack': (params) => ports.moves.pack(params),
      'move/read': (params) => ports.moves.read(params),
      'move/write': (params) => ports.moves.write(params),
      'move/unpack': (params) => ports.moves.unpack(params),
      'move/leave': (params) => ports.moves.leave(params),
      'move/arrive': (params) => ports.moves.arrive(params),
      'move/takeBack': (params) => ports.moves.takeBack(params),
      'move/done': (params) => ports.moves.done(params),
      'study/command': async ({ studyId, command }) => {
        await driver.command(studyId, command);
        return {};
      },
      'trial/log': (params) => this.#log(params),
    };
  }

  async handle<N extends ServedRequest>(
    name: N,
    params: Requests[N]['params'],
    context: RequestContext,
  ): Promise<Requests[N]['result']> {
    return await this.#handlers[name](params, context);
  }

  views(studyId: string | null): { readonly seq: number; readonly views: readonly StudyView[] } {
    return this.#ports.driver.frozenViews(studyId);
  }

  subscribe(studyId: string | null, from: number, onEntries: EntrySink): Disposable {
    return this.#ports.driver.subscribe(studyId, from, onEntries);
  }

  #status(): AgentStatus {
    const { agentId: id, socket, home, dockerHost, dockerHostVariable, driver } = this.#ports;
    return { id, pid: process.pid, version, socket, home, studies: driver.views().length, dockerHost, dockerHostVariable };
  }

  async #create(request: TuneRequest, context: RequestContext): Promise<{ studyId: string }> {
    // A name that is no study's is said before anything is made ready.
    const others = (request.from ?? []).map((studyId) => this.#ports.driver.view(studyId));
    const { spec, messages } = withEarlierResults(
      await prepareStudy(request, this.#ports, context.progress, context.signal),
      others,
    );
    for (const message of messages) context.progress(message);
    // Whoever gave up waiting does not expect trials to begin.
    if (context.signal.aborted) throw new HpoError('HPO-5009', 'the start was cancelled', 'start the study again');
    const studyId = newStudyId(spec.name);
    await this.#ports.driver.createStudy(studyId, spec, request.isPaused === true ? 'paused' : 'running');
    return { studyId };
  }

  async #log({ studyId, trial, attempt, offset }: Requests['trial/log']['params']): Promise<Requests['trial/log']['result']> {
    const found = this.#ports.driver.view(studyId).trials[trial];
    if (found === undefined) {
      throw new HpoError('HPO-4005', `study ${studyId} has no trial ${trial}`, `list them with: hpo trials ${studyId}`, {
        exitCode: 3,
      });
    }
    const shown = attempt === undefined ? found.attempts.at(-1) : found.attempts[attempt - 1];
    if (shown === undefined) {
      if (attempt === undefined) return { text: '', nextOffset: offset, ended: found.endedAt !== null };
      throw new HpoError(
        'HPO-4006',
        `${keyText({ studyId, trial, attempt })} does not exist`,
        'leave the attempt out to see the latest',
        { exitCode: 3 },
      );
    }
    // Read before the bytes: output that comes in between is fetched by the next call.
    const hasEnded = shown.state === 'ended';
    const key = { studyId, trial, attempt: shown.attempt };
    const bytes = wholeCharacters(await this.#ports.output.read(key, 'out', offset, logChunkBytes), hasEnded);
    return {
      text: new TextDecoder().decode(bytes),
      nextOffset: offset + bytes.length,
      // Of the latest one another may follow.
      ended:
        bytes.length === 0 && hasEnded && (attempt !== undefined || (found.state !== 'running' && found.state !== 'waiting')),
    };
  }
}

/** An answer is one text in memory, of the agent and of whoever asks. */
function smallEnough(view: StudyView): StudyView {
  if (view.trials.length <= maxViewTrials) return view;
  throw new HpoError(
    'HPO-5018',
    `the study ${view.studyId} has ${view.trials.length} trials, too many for one answer`,
    'ask for its pages: update this client',
  );
}

/** A page that ends inside a UTF-8 character leaves its bytes to the next page, unless nothing follows. */
function wholeCharacters(bytes: Uint8Array, isFinal: boolean): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length - 1); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (length > back && !(isFinal && bytes.length < logChunkBytes)) return bytes.subarray(0, bytes.length - back);
    break;
  }
  return bytes;
}

/** Readable and unguessable enough to be unique: `train-k3f9qz`. */
function newStudyId(name: string): string {
  const slug =
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 30) || 'study';
  const alphabet = '23456789abcdefghjkmnpqrstuvwxyz';
  const suffix = [...randomBytes(6)].map((byte) => alphabet[byte % alphabet.length]).join('');
  return `${slug}-${suffix}`;
}

/** While nothing can be recorded, that is what there is to say of a study that goes on. */
function withFault(summary: StudySummary, fault: Error | null): StudySummary {
  return fault === null || summary.state === 'ended' ? summary : { ...summary, message: fault.message };
}

function leftOutOf(view: StudyView): string | null {
  const dropped = droppedOf(view);
  if (dropped === null) return null;
  return `${droppedText(dropped.all, view.spec.limits)}, of ${plural(dropped.trials, 'trial')}`;
}

export function summaryOf(view: StudyView, now: number): StudySummary {
  const { spec } = view;
  const { gpuMs, cost } = studyUse(view, now);
  const currency = currencyOf(spec);
  return {
    studyId: view.studyId,
    name: spec.name,
    script: spec.script,
    root: spec.root,
    state: view.state,
    movedTo: view.movedTo,
    moves: view.moves,
    message: view.message,
    failure: view.failure,
    endReason: view.endReason,
    leftOut: leftOutOf(view),
    trials: countTrials(view),
    best: bestTrial(view),
    budget: spec.budget,
    used: { gpuHours: gpuHours(gpuMs), cost: currency === null ? null : { amount: cost, currency } },
    executor: spec.executor,
    image: spec.container === undefined ? null : `${spec.container.image.name} (${spec.environment.reason})`,
    cluster: spec.cluster === undefined ? null : `${spec.cluster.context}, namespace ${spec.cluster.namespace}`,
    waits: waitsOf(view),
    createdAt: view.createdAt,
    endedAt: view.endedAt,
  };
}
