import { plural } from './format.ts';
import { maxDroppedNames, type MetricLimit, metricLimits } from './events.ts';
import { type TrialLimits, usualMetricNames, usualMetricRecords } from './study.ts';
import { type DroppedMetrics, type StudyView, unreachable } from './view.ts';

/** What was left out of a trial's records, for people: `1,200 values of 3 metrics were left out (limit: 200 metrics)`. */
export function droppedText({ counts, names }: DroppedMetrics, limits: TrialLimits): string {
  const values = metricLimits.reduce((sum, limit) => sum + (limit === 'line' ? 0 : (counts[limit] ?? 0)), 0);
  const lines = counts.line ?? 0;
  const metrics = names.length >= maxDroppedNames ? `${maxDroppedNames} or more metrics` : plural(names.length, 'metric');
  const parts: string[] = [];
  if (values > 0) parts.push(`${inThousands(values)} ${values === 1 ? 'value' : 'values'} of ${metrics}`);
  if (lines > 0) parts.push(`${inThousands(lines)} ${lines === 1 ? 'line' : 'lines'}`);
  const reasons = metricLimits.filter((limit) => (counts[limit] ?? 0) > 0).map((limit) => limitText(limit, limits));
  return `${parts.join(' and ')} ${values + lines === 1 ? 'was' : 'were'} left out (limit: ${reasons.join('; ')})`;
}

/** What was left out of all trials together; null for nothing. */
export function droppedOf(view: StudyView): { readonly trials: number; readonly all: DroppedMetrics } | null {
  const counts: Partial<Record<MetricLimit, number>> = {};
  const names = new Set<string>();
  let trials = 0;
  for (const { dropped } of view.trials) {
    if (dropped === null) continue;
    trials++;
    for (const limit of metricLimits) {
      const count = dropped.counts[limit];
      if (count !== undefined) counts[limit] = (counts[limit] ?? 0) + count;
    }
    for (const name of dropped.names) if (names.size < maxDroppedNames) names.add(name);
  }
  return trials === 0 ? null : { trials, all: { counts, names: [...names] } };
}

function limitText(limit: MetricLimit, limits: TrialLimits): string {
  switch (limit) {
    case 'names':
      return `${limits.metricNames ?? usualMetricNames} metrics a trial, see "metrics" of @hpo.resources`;
    case 'name':
      return 'names of up to 128 letters, digits and _ . / -';
    case 'records':
      return `beyond ${inThousands(limits.metricRecords ?? usualMetricRecords)} reports of a metric one in ten is kept, see "records" of @hpo.resources`;
    case 'rate':
      return 'printed faster than can be recorded, the last values are kept';
    case 'line':
      return 'lines of up to 64 KB';
    default:
      return unreachable(limit);
  }
}

/** `1,200,000`, the same in every country. */
function inThousands(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}
