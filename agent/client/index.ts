export type { AgentClient } from './agentConnection.ts';
export { bridge } from './bridge.ts';
export { type ConnectOptions, connectAgent, discoveredAgent } from './connectAgent.ts';
export { type BridgeGreeting, connectStream } from './connectStream.ts';
export { defaultHome, discoveryFile } from './home.ts';
export { type MoveEnd, moveStudy, refuseUnreaching } from './moveStudy.ts';
