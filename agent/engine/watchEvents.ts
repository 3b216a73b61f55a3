import { createInterface } from 'node:readline';
import type Docker from 'dockerode';
import * as z from 'zod/mini';
import type { Labels } from './engine.ts';

const firstPauseMs = 100;
const maxPauseMs = 5_000;

const eventSchema = z.object({
  Action: z.string(),
  /** Among them the labels. */
  Actor: z.object({ Attributes: z.record(z.string(), z.string()) }),
});

/** In Docker's words and in Podman's. */
const changes = /^(?:start|die|died|destroy|remove|pause|unpause)$/;

/** Follows the engine's events until it is disposed, over its restarts. What happened in between is not told. */
export function watchEvents(docker: Docker, labels: Labels, onChange: (name: string) => void): Disposable {
  const controller = new AbortController();
  const { signal } = controller;
  const follow = async (): Promise<void> => {
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      try {
        const stream = await docker.getEvents({ abortSignal: signal, filters: filtersOf(labels) });
        signal.addEventListener('abort', () => 'destroy' in stream && typeof stream.destroy === 'function' && stream.destroy(), {
          once: true,
        });
        pauseMs = firstPauseMs;
        for await (const line of createInterface({ input: stream })) {
          const name = nameOf(line, labels);
          if (name !== null && !signal.aborted) onChange(name);
        }
      } catch {
        // The engine is away; it is asked again until nobody wants to know any more.
      }
      await pause(pauseMs, signal);
    }
  };
  void follow();
  return { [Symbol.dispose]: () => controller.abort() };
}

export function labelFilter(labels: Labels): string[] {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}

function filtersOf(labels: Labels): { [key: string]: string[] } {
  return { type: ['container'], label: labelFilter(labels) };
}

/** Null for what says nothing of a container with all of the labels: some engines tell of those with any. */
function nameOf(line: string, labels: Labels): string | null {
  try {
    const { Action, Actor } = eventSchema.parse(JSON.parse(line));
    const isMeant = Object.entries(labels).every(([name, value]) => Actor.Attributes[name] === value);
    return isMeant && changes.test(Action) ? (Actor.Attributes['name'] ?? null) : null;
  } catch {
    return null;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
