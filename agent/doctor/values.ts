import { isDeepStrictEqual } from 'node:util';
import { createStudy } from '../core/study/index.ts';
import { merged, type OutputReader, readersOf } from '../driver/outputReaders.ts';
import type { AttemptOutputFiles } from '../executors/attempt/outputFile.ts';
import type { MetricRecord } from '../metrics/index.ts';
import type { OutputStream } from '../protocol/events.ts';
import type { AttemptKey, MetricValues, StudySpec } from '../protocol/study.ts';
import type { Finding } from './finding.ts';
import type { RecordedAttempt, Records, Told } from './records.ts';

/** Bytes read at a time. */
const chunkBytes = 1024 * 1024;
/** Differences that are told; further ones are counted. */
const maxTold = 5;

/**
 * Parses what the attempts wrote again, and compares every recorded report with it. The values of a trial are its last
 * reports (see the audit), so these too, and the best of them, are those of the raw files.
 */
export async function checkValues({ views, attempts }: Records, output: AttemptOutputFiles): Promise<readonly Finding[]> {
  const required = new Map<string, readonly string[]>();
  for (const { studyId, spec, createdAt: at } of views.values())
    required.set(studyId, createStudy({ seq: 1, studyId, event: { type: 'studyCreated', at, spec } }).requiredMetrics);
  const wrong: { readonly studyId: string; readonly what: string }[] = [];
  const gone = { attempts: 0, reports: 0 };
  let nReports = 0;
  for (const attempt of attempts.values()) {
    const { studyId } = attempt.key;
    const spec = views.get(studyId)?.spec;
    if (spec === undefined || attempt.told.length === 0) continue;
    const found = await recordsOf(attempt.key, { spec, required: required.get(studyId) ?? [] }, output);
    if (found.size === 0) {
      gone.attempts++;
      gone.reports += attempt.told.length;
      continue;
    }
    nReports += attempt.told.length;
    for (const what of compare(attempt, found)) wrong.push({ studyId, what });
  }
  const findings: Finding[] = wrong.slice(0, maxTold).map(({ studyId, what }) => ({
    check: 'values',
    state: 'wrong',
    what,
    next: 'Trust what the output says, and report this fault with the journal and the output; tune again for what matters.',
    studyId,
  }));
  if (wrong.length > maxTold)
    findings.push({ check: 'values', state: 'wrong', what: `${wrong.length - maxTold} further reports differ from the output` });
  if (gone.attempts > 0) {
    const what = `the output of ${gone.attempts} attempts is gone: their ${gone.reports} reports cannot be compared with it`;
    findings.push({ check: 'values', state: 'unknown', what });
  }
  if (wrong.length === 0)
    findings.push({
      check: 'values',
      state: 'ok',
      what: `${nReports} reports are what the trials printed, the best values among them`,
    });
  return findings;
}

/** Records of each stream by where their line ends. */
type Found = ReadonlyMap<OutputStream, ReadonlyMap<number, MetricRecord>>;

async function recordsOf(
  key: AttemptKey,
  of: { readonly spec: StudySpec; readonly required: readonly string[] },
  output: AttemptOutputFiles,
): Promise<Found> {
  const found = new Map<OutputStream, Map<number, MetricRecord>>();
  for (const reader of await readersOf(key, of, output)) {
    const records = new Map<number, MetricRecord>();
    let offset = 0;
    for (;;) {
      const bytes = await output.read(key, reader.name, offset, chunkBytes);
      if (bytes.length === 0) break;
      offset += bytes.length;
      addAll(records, reader, (parser) => parser.push(bytes));
    }
    addAll(records, reader, (parser) => parser.end());
    if (offset > 0) found.set(reader.name, records);
  }
  return found;
}

function addAll(records: Map<number, MetricRecord>, reader: OutputReader, read: Parameters<typeof merged>[1]): void {
  for (const record of merged(reader, read)) records.set(record.end, record);
}

function* compare({ key, told, isWhole, isLive, hasDropped }: RecordedAttempt, found: Found): Generator<string> {
  const name = `trial ${key.trial}, attempt ${key.attempt}`;
  const seen = new Map<OutputStream, number>();
  for (const report of told) {
    seen.set(report.stream, (seen.get(report.stream) ?? 0) + 1);
    const record = found.get(report.stream)?.get(report.end);
    if (record === undefined || record.step !== report.step || !isPart(report.values, record.values))
      yield `${name}: event ${report.seq} says ${text(report)}, but ${report.stream} up to byte ${report.end} ${record === undefined ? 'reports nothing' : `says ${text(record)}`}`;
  }
  if (!isWhole || isLive || hasDropped) return;
  for (const [stream, records] of found) {
    const nTold = seen.get(stream) ?? 0;
    if (records.size > nTold) yield `${name}: ${records.size} reports stand in ${stream}, and ${nTold} are in the journal`;
  }
}

/** Limits leave out some metrics of a line, and change none. */
function isPart(values: MetricValues, all: MetricValues): boolean {
  return Object.entries(values).every(([metric, value]) => Object.hasOwn(all, metric) && isDeepStrictEqual(all[metric], value));
}

function text({ step, values }: Pick<Told, 'step' | 'values'>): string {
  return `step ${step} ${JSON.stringify(values)}`;
}
