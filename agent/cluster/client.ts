/**
 * What is loaded only when a cluster is first asked something: the bundles have this file as a chunk of its own
 * (`dist/clusterClient.cjs`). Everything that the agent recognises by its class (`HpoError`) stays outside of it.
 */
export { KubeConfig } from '@kubernetes/client-node';
export * as models from '@kubernetes/client-node/dist/gen/models/all.js';
export { ObjectSerializer } from '@kubernetes/client-node/dist/serializer.js';
export { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
export { SocksProxyAgent } from 'socks-proxy-agent';
export { WebSocket } from 'ws';
