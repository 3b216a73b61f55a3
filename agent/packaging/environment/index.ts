export { chooseEnvironment, type EnvironmentReport, type EnvironmentRequest, noInterpreter } from './environment.ts';
export { makeEnvironment, type MakeOptions } from './makeEnvironment.ts';
