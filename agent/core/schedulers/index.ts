export { chooseScheduler, createScheduler } from './createScheduler.ts';
export { planBrackets, planResource, planRungs } from './plan.ts';
export { rungLevels } from './rungs.ts';
export type {
  Admission,
  ConcreteSchedulerName,
  Decision,
  PlannedBracket,
  PlannedRung,
  Promotion,
  Scheduler,
  SchedulerConfig,
  SchedulerState,
} from './scheduler.ts';
