import type { EngineAccess } from '../../../agent/doctor/containers.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';

/** A machine without a container engine. */
export const noEngine: EngineAccess = {
  connect: () => Promise.reject(new HpoError('HPO-2401', 'there is no container engine on this machine', 'install Docker')),
  labels: { 'hpo.home': 'none' },
  recipes: new Set(),
};
