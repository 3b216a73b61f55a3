import { PassThrough, Writable } from 'node:stream';
import type { V1Pod } from '@kubernetes/client-node';
import type { AttemptReports } from './attemptReports.ts';
import { writeAttemptFile } from './attemptFile.ts';
import { isAway } from './clusterAnswers.ts';
import type { ClusterHome } from './clusterHome.ts';
import { containerName } from './jobManifest.ts';
import { LogMirror, mirroredStreams } from './logMirror.ts';
import type { PodAttempt } from './podAttempt.ts';

const second = 1_000;
/** A log of which nothing comes for so long, not even a sign of life, is a dead connection. */
const silenceMs = 90 * second;
/** A log is read again from so long before the last that was read of it. */
const overlapSeconds = 15;

/** Makes the files of attempts of what their pods write as their logs. */
export class PodReading {
  readonly #home: ClusterHome;
  readonly #reports: AttemptReports;

  constructor(home: ClusterHome, reports: AttemptReports) {
    this.#home = home;
    this.#reports = reports;
  }

  /** Reads its log until it ends, breaks off, or has told the end. */
  async read(live: PodAttempt, pod: V1Pod, isFinal: boolean): Promise<'ended' | 'cut'> {
    const { clock } = this.#home.system;
    const { view } = live;
    if (view === null) return 'cut';
    const mirror = await this.mirrorOf(live, pod);
    if (mirror.isOver) return 'ended';
    const isWhole = isFinal || mirror.lacksEarlier || live.readAt === null;
    const sinceSeconds = isWhole ? undefined : Math.ceil((clock.monotonic() - (live.readAt ?? 0)) / second) + overlapSeconds;
    // Whoever let go of it meanwhile had no reading to end yet, and waits for this one.
    if (live.hasEnded || this.#home.isDisposed) return 'cut';
    mirror.begin(isWhole);
    const cut = new AbortController();
    live.cut = cut;
    let heardAt = clock.monotonic();
    const watchdog = (): Disposable =>
      clock.after(silenceMs / 3, () => {
        if (clock.monotonic() - heardAt > silenceMs) cut.abort();
        else timer = watchdog();
      });
    let timer = watchdog();
    try {
      await view.cluster.log(
        pod.metadata?.name ?? '',
        { container: containerName, follow: true, signal: cut.signal, ...(sinceSeconds === undefined ? {} : { sinceSeconds }) },
        (bytes) => {
          heardAt = clock.monotonic();
          mirror.push(bytes);
          if (mirror.isOver || mirror.isFull || mirror.lacksEarlier) cut.abort();
        },
      );
    } catch (error) {
      if (!cut.signal.aborted) throw error;
    } finally {
      timer[Symbol.dispose]();
      live.cut = null;
      await mirror.settled();
      live.readAt = live.newsAt ?? heardAt;
    }
    return cut.signal.aborted ? 'cut' : 'ended';
  }

  async mirrorOf(live: PodAttempt, pod: V1Pod): Promise<LogMirror> {
    if (live.mirror !== null) return live.mirror;
    const uid = pod.metadata?.uid ?? '';
    const { files: disk } = this.#home.system;
    if (live.file !== null && live.file.pod !== uid) {
      live.file = { ...live.file, pod: uid };
      await writeAttemptFile(disk, live.dir, live.file);
    }
    live.mirror = new LogMirror({
      system: this.#home.system,
      dir: live.dir,
      nonce: uid,
      streams: mirroredStreams(live.file?.metricFiles ?? []),
      maxBytes: (live.file?.outputBytes ?? 0) + 1,
      onBegin: () => this.#reports.hasBegun(live),
      onEnd: () => live.cut?.abort(),
      onOutput: () => {
        live.newsAt = this.#home.system.clock.monotonic();
        if (!live.hasEnded) this.#home.options.listener.output(live.key);
      },
      fetch: (path, from, count) => this.#fetch(live, pod, path, from, count),
    });
    return live.mirror;
  }

  /** What of a file in the pod its log does not have any more; null where that is not allowed, or the pod has ended. */
  async #fetch(live: PodAttempt, pod: V1Pod, path: string, from: number, count: number): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    const stdout = new Writable({
      write: (piece: Uint8Array, _encoding, done) => {
        pieces.push(piece);
        done();
      },
    });
    const script = '{ dd bs=1 skip="$1" count=0; head -c "$2"; } <"$0" 2>/dev/null';
    const command = ['/bin/sh', '-c', script, path, String(from), String(count)];
    const stderr = new PassThrough();
    stderr.resume();
    const code = await live.view?.cluster
      .exec(pod.metadata?.name ?? '', containerName, command, { stdout, stderr })
      .catch((error: unknown) => {
        if (isAway(error)) throw error;
        return null;
      });
    return code === 0 ? Buffer.concat(pieces) : null;
  }
}
