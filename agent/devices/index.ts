export { cpuCount } from './cpuCount.ts';
