export { type AgentClient, type ConnectOptions, connectAgent } from './connectAgent.ts';
export { cacheFolder, defaultHome, discoveryFile, socketPath } from './home.ts';
