export { type AgentClient, type ConnectOptions, connectAgent } from './connectAgent.ts';
export { defaultHome, discoveryFile } from './home.ts';
