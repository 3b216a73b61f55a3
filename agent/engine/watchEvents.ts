import { createInterface } from 'node:readline';
import type Docker from 'dockerode';
import * as z from 'zod/mini';
import type { Labels } from './engine.ts';

const firstPauseMs = 100;
const maxPauseMs = 5_000;

const eventSchema = z.object({ Actor: z.object({ Attributes: z.object({ name: z.string() }) }) });

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
          const name = nameOf(line);
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
  return { type: ['container'], event: ['start', 'die', 'destroy', 'pause', 'unpause'], label: labelFilter(labels) };
}

function nameOf(line: string): string | null {
  try {
    const parsed = eventSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data.Actor.Attributes.name : null;
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
