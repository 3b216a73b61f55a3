export { detectEnvironment, type DetectOptions } from './detectEnvironment.ts';
export type { ImageSetting } from './namedEnvironment.ts';
