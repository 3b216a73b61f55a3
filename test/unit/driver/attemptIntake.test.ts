import { array, assert, asyncProperty, integer } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttemptIntake, type IntakeRecord } from '../../../agent/driver/attemptIntake.ts';
import type { OutputCursor } from '../../../agent/protocol/events.ts';
import type { MetricSource } from '../../../agent/protocol/space.ts';
import { study } from './world.ts';

/** Files of the attempts of one trial, as `attempt/stream`. */
type Files = Map<string, Uint8Array>;

class Reader {
  readonly records: IntakeRecord[] = [];
  nLimits = 0;
  readonly intake: AttemptIntake;

  constructor(
    files: Files,
    options: { attempt?: number; recorded?: OutputCursor; metrics?: readonly MetricSource[]; limit?: number } = {},
  ) {
    const bytesOf = (attempt: number, stream: string): Uint8Array => files.get(`${attempt}/${stream}`) ?? new Uint8Array();
    this.intake = new AttemptIntake({
      key: { studyId: 's', trial: 0, attempt: options.attempt ?? 1 },
      spec: study({ metrics: options.metrics ?? [], limits: { outputBytes: options.limit ?? 1e9 } }),
      output: {
        // Later than asked, as a disk answers.
        read: async (key, stream, offset, maxBytes) => {
          await new Promise((resolve) => setImmediate(resolve));
          return bytesOf(key.attempt, stream).subarray(offset, offset + maxBytes);
        },
        size: (key, stream) => Promise.resolve(bytesOf(key.attempt, stream).length),
      },
      recorded: options.recorded ?? {},
      onRecords: (records) => this.records.push(...records),
      onOutputLimit: () => this.nLimits++,
      onError: (error) => {
        throw error;
      },
    });
  }

  get shown(): string[] {
    return this.records.map(({ step, values }) =>
      [step, ...Object.entries(values).map(([name, value]) => `${name}=${value}`)].join(' '),
    );
  }
}

async function readWhole(files: Files, options?: ConstructorParameters<typeof Reader>[1]): Promise<Reader> {
  const reader = new Reader(files, options);
  await reader.intake.finish();
  return reader;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const filesOf = (texts: Readonly<Record<string, string>>): Files =>
  new Map(Object.entries(texts).map(([name, text]) => [name, encode(text)]));

const csv: readonly MetricSource[] = [
  { type: 'csv', metric: 'loss', path: 'log.csv' },
  { type: 'csv', metric: 'acc', path: 'log.csv' },
  { type: 'json', metric: 'f1', path: 'out/log.jsonl' },
];
const table = 'epoch,loss,acc\n1,0.9,0.1\n2,0.8,0.2\n3,0.7,0.3\n';

describe('the streams of an attempt', () => {
  test('standard output, the metrics file, and annotated files; a line with several metrics is one record', async () => {
    const files = filesOf({
      '1/out': 'epoch 1 loss=0.5\nepoch 2 loss=0.25',
      '1/metrics': '{"step": 3, "loss": 0.125}\n',
      '1/work/log.csv': table,
      '1/work/out/log.jsonl': '{"step": 1, "f1": 0.5}\n',
    });
    const { shown } = await readWhole(files, { metrics: csv });
    // What is read from a file is not read from the output too, but other names are.
    expect(shown).toContain('3 loss=0.125');
    expect(shown.filter((line) => line.includes('acc'))).toEqual([
      '1 loss=0.9 acc=0.1',
      '2 loss=0.8 acc=0.2',
      '3 loss=0.7 acc=0.3',
    ]);
    expect(shown).toContain('1 f1=0.5');
  });

  test('the end of the output is handed back as text, at most 8 kB of it', async () => {
    const reader = new Reader(filesOf({ '1/out': `${'x'.repeat(300_000)}\nTraceback: é\n` }));
    const tail = await reader.intake.finish();
    expect(tail.endsWith('x\nTraceback: é\n')).toBe(true);
    expect(tail.length).toBeGreaterThan(8_000);
    expect(tail.length).toBeLessThanOrEqual(8_192);
  });

  test('metrics beyond the limit are told once too, and not read', async () => {
    const line = '{"step": 1, "loss": 2}\n';
    const reader = await readWhole(filesOf({ '1/metrics': line.repeat(20_000) }), { limit: 3 * line.length });
    expect(reader.nLimits).toBe(1);
    expect(reader.records.length).toBeLessThan(10_000);
    expect((await readWhole(filesOf({ '1/metrics': line.repeat(3) }), { limit: 3 * line.length })).nLimits).toBe(0);
  });

  test('the limit of output is told once', async () => {
    const reader = new Reader(filesOf({ '1/out': 'x'.repeat(2_000) }), { limit: 1_000 });
    reader.intake.poke();
    reader.intake.poke();
    await reader.intake.finish();
    expect(reader.nLimits).toBe(1);
    expect((await readWhole(filesOf({ '1/out': 'x'.repeat(1_000) }), { limit: 1_000 })).nLimits).toBe(0);
  });

  test('a hint that comes while the end is read gives nothing twice', async () => {
    const reader = new Reader(filesOf({ '1/out': 'loss=1\nloss=2\n' }));
    const finished = reader.intake.finish();
    reader.intake.poke();
    await finished;
    reader.intake.poke();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(reader.shown).toEqual(['1 loss=1', '2 loss=2']);
  });

  test('a script that counts from 0 goes on counting so in its later attempts', async () => {
    const files = filesOf({
      '1/out': 'epoch 0 loss=1\nepoch 1 loss=0.9\n',
      '2/out': 'epoch 2 loss=0.8\n',
      '1/work/log.csv': 'epoch,loss,acc\n0,1,1\n',
      '2/work/log.csv': 'epoch,loss,acc\n1,1,1\n',
    });
    expect((await readWhole(files, { attempt: 2 })).shown).toEqual(['3 loss=0.8']);
    expect(
      (await readWhole(filesOf({ '1/out': 'epoch 1 loss=1\n', '2/out': 'epoch 2 loss=0.8\n' }), { attempt: 2 })).shown,
    ).toEqual(['2 loss=0.8']);
    expect((await readWhole(files, { attempt: 2, metrics: csv.slice(1, 2) })).shown).toContain('2 acc=1');
  });
});

describe('an agent that begins again', () => {
  const whole = filesOf({
    '1/out': 'loss: 1\nnoise\nloss: 2 é\nloss: 3\nloss: 4\n',
    '1/metrics': '{"acc": 1}\n{"acc": 2}\n{"acc": 3}\n',
    '1/work/log.csv': table,
    '1/work/out/log.jsonl': '{"f1": 1}\n{"f1": 2}\n',
  });
  const options = { metrics: csv.slice(1) };

  test('takes up where any record before it left off: each record once, whatever grew when', async () => {
    const all = (await readWhole(whole, options)).records;
    const asText = (records: readonly IntakeRecord[]): string[] =>
      records.map(({ step, values }) => JSON.stringify([step, values])).sort();
    await assert(
      asyncProperty(
        array(integer({ min: 0, max: 300 }), { maxLength: 5 }),
        integer({ min: 0, max: 20 }),
        async (growth, nKept) => {
          const files: Files = new Map();
          const first = new Reader(files, options);
          for (const size of [...growth].sort((a, b) => a - b)) {
            for (const [name, bytes] of whole) files.set(name, bytes.subarray(0, size));
            first.intake.poke();
            await new Promise((resolve) => setTimeout(resolve, 0));
          }
          // The agent died when so many were recorded.
          const kept = first.records.slice(0, nKept);
          const second = await readWhole(whole, { ...options, recorded: kept.at(-1)?.cursor ?? {} });
          expect(asText([...kept, ...second.records])).toEqual(asText(all));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('two metrics of one file: neither is lost nor doubled', async () => {
    const files = filesOf({ '1/work/log.csv': table });
    const { records } = await readWhole(files, { metrics: csv.slice(0, 2) });
    for (let n = 0; n <= records.length; n++) {
      const again = await readWhole(files, { metrics: csv.slice(0, 2), recorded: records[n - 1]?.cursor ?? {} });
      expect([...records.slice(0, n), ...again.records]).toEqual(records);
    }
  });
});
