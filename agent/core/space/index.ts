export * from './canonical.ts';
export * from './condition.ts';
export * from './conditionCycle.ts';
export * from './conditionParser.ts';
export * from './distribution.ts';
export * from './margin.ts';
export * from './points.ts';
export * from './space.ts';
