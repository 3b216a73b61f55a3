export { type AgentClient, type ConnectOptions, connectAgent, discoveredAgent } from './connectAgent.ts';
export { defaultHome, discoveryFile } from './home.ts';
