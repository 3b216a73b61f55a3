export { AskTell, toldStates, type AskedTrial, type Best, type ToldState } from './askTell.ts';
export { command, type Refusal } from './command.ts';
export { type AttemptEnding } from './classify.ts';
export { decide, nextWakeup, type World } from './decide.ts';
export { createStudy, fold } from './fold.ts';
export { intents, pointOf, type Action, type Point } from './intents.ts';
export { observe, type Observation } from './observe.ts';
export { planStudy } from './plan.ts';
export { StudyState } from './state.ts';
