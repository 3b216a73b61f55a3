export * from './condition.ts';
export * from './conditionParser.ts';
