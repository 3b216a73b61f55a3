import type { OutputStream } from '../../protocol/events.ts';

/**
 * What a pod of ours writes as its log. Beside the shim, which is the same as everywhere and writes the attempt's files in a volume of
 * the pod, a small program copies what is new in them: a line that says of which file the next bytes are and where in it they
 * begin, the bytes, and an end of line. So a reader knows of all bytes where they belong, whatever it reads twice or misses: over
 * cut connections, restarts of the agent, and logs that the node rotated.
 *
 * ```
 * ␞hpo NONCE STREAM OFFSET LENGTH↵ BYTES ↵
 * ␞hpo NONCE begin↵                        once, when the program is about to start
 * ␞hpo NONCE end {"out":N,"metrics":N,"exit":{…}}↵      the shim's record of the end, after all bytes
 * ```
 * NONCE follows from the attempt and an unguessable part that its program does not get. The container's termination message is the
 * object of `end` with the last bytes of the output as `tail`.
 */
export interface PodChunk {
  readonly stream: OutputStream;
  readonly offset: number;
  readonly bytes: Uint8Array;
}
