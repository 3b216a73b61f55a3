import * as z from 'zod/mini';

/**
 * An error that people read: `message` says what and why, with the value seen; `next` says what to do.
 * Codes are stable and documented in `media/errors.md`; the first digit after `HPO-` is the part of the product:
 * 1 annotations, 2 environment and snapshot, 3 trials, 4 study, 5 agent and protocol, 6 store, 9 a bug of ours.
 */
export class HpoError extends Error {
  override readonly name = 'HpoError';
  readonly code: string;
  readonly next: string;
  /** Exit code of the command line: 1 study or input failed, 2 wrong usage, 3 not found, 4 preflight failed. */
  readonly exitCode: 1 | 2 | 3 | 4;

  constructor(code: string, message: string, next: string, options: { cause?: unknown; exitCode?: 1 | 2 | 3 | 4 } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.next = next;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** How an HpoError travels over the socket. */
export const wireErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  next: z.string(),
  exitCode: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
});
export type WireError = z.infer<typeof wireErrorSchema>;
