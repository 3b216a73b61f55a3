export { scenarios } from './catalogue.ts';
export { diskFullInside } from './scenarios/diskFull.ts';
export { summarize, type TortureSummary } from './summary.ts';
export { type Run, torment } from './torment.ts';
