export { connectEngine, type ConnectOptions, engineOnDemand } from './connectEngine.ts';
