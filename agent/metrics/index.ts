export { createFileMetricParser, createMetricsFileParser } from './fileParser.ts';
export { Drops } from './drops.ts';
export { createMetricParser, type MetricParser, type MetricParserOptions, type MetricRecord } from './metricParser.ts';
