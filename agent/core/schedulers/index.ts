export { availableSchedulers, chooseScheduler, createScheduler } from './createScheduler.ts';
export { planResource, planRungs } from './plan.ts';
export { rungLevels } from './rungs.ts';
export type {
  Admission,
  ConcreteSchedulerName,
  Decision,
  PlannedRung,
  Promotion,
  Scheduler,
  SchedulerConfig,
  SchedulerState,
} from './scheduler.ts';
