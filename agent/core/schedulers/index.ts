export { availableSchedulers, chooseScheduler, createScheduler } from './createScheduler.ts';
export { planResource, planRungs } from './plan.ts';
export type {
  ConcreteSchedulerName,
  Decision,
  PlannedRung,
  Promotion,
  Scheduler,
  SchedulerConfig,
  SchedulerState,
} from './scheduler.ts';
