import type { Rng } from '../../../agent/core/math/index.ts';
import type { AttemptKey } from '../../../agent/protocol/study.ts';
import { unreachable } from '../../../agent/protocol/view.ts';
import type { Container } from '../machine/engine/container.ts';
import type { Machine } from '../machine/machine.ts';
import type { EngineCalamity } from './scenario.ts';

export interface EngineStrike {
  readonly machine: Machine;
  readonly rng: Rng;
  /** A program that runs is being ended, and has no part in that. */
  readonly onStruck: (key: AttemptKey) => void;
}

/** Strikes the engine, or a container behind the back of all agents. False where there is nothing to strike. */
export function strikeEngine(calamity: EngineCalamity, { machine, rng, onStruck }: EngineStrike): boolean {
  const { engine, timeline } = machine;
  const wait = (meanMs: number): number => -Math.log(1 - rng.next()) * meanMs;
  const one = (isFit: (container: Container) => boolean): Container | null => {
    const fit = engine.containers.filter(isFit);
    return fit[rng.int(Math.max(1, fit.length))] ?? null;
  };
  const struck = (container: Container, byKill: boolean): void => {
    if (isTraining(container, byKill)) onStruck(keyOfContainer(container));
  };
  const restart = (isKilled: boolean, downMs: number): boolean => {
    if (engine.isDown) return false;
    if (!engine.keepsContainers && !isKilled) for (const container of engine.containers) struck(container, false);
    engine.restart(isKilled, downMs, (container) => struck(container, true));
    return true;
  };
  switch (calamity) {
    case 'restart engine':
      return restart(false, wait(3_000));
    case 'kill engine':
      return restart(true, wait(3_000));
    case 'engine away for long':
      return restart(rng.next() < 0.5, 30_000 + wait(90_000));
    case 'engine hangs':
      engine.hang(wait(10_000));
      return true;
    case 'engine denied':
      engine.deny(wait(10_000));
      return true;
    case 'kill container': {
      const container = one(({ isRunning }) => isRunning);
      if (container === null) return false;
      struck(container, true);
      return container.signal('SIGKILL');
    }
    case 'remove container': {
      const container = one(() => true);
      if (container === null) return false;
      struck(container, true);
      engine.removeAtOnce(container);
      return true;
    }
    case 'pause container':
    case 'pause container for good': {
      const container = one(({ status }) => status === 'running');
      if (container === null || !container.pause()) return false;
      if (calamity === 'pause container') timeline.after(wait(5_000), () => container.resume());
      return true;
    }
    case 'remove image': {
      const image = engine.images[0];
      if (image === undefined) return false;
      engine.dropImage(image.id);
      if (rng.next() < 0.3) engine.dropCache();
      return true;
    }
    default:
      return unreachable(calamity);
  }
}

/** Whether a program runs in it that a kill, or a request to end, would end. */
export function isTraining({ kernel }: Container, byKill = true): boolean {
  return kernel.processes.some(({ name, ignoresTerm }) => name === 'program' && (byKill || !ignoresTerm));
}

/** Whose attempt it is, by what its program is told. */
export function keyOfContainer({ spec: { environment } }: Container): AttemptKey {
  return {
    studyId: environment['HPO_STUDY'] ?? '',
    trial: Number(environment['HPO_TRIAL']),
    attempt: Number(environment['HPO_ATTEMPT']),
  };
}
