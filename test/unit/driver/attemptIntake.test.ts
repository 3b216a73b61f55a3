import { array, assert, asyncProperty, integer } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttemptIntake, type IntakeRecord } from '../../../agent/driver/attemptIntake.ts';
import { ReadingOrder } from '../../../agent/driver/readingOrder.ts';
import type { Dropped, OutputCursor } from '../../../agent/protocol/events.ts';
import type { TrialLimits } from '../../../agent/protocol/study.ts';
import type { MetricSource } from '../../../agent/protocol/space.ts';
import { study } from './world.ts';

/** Files of the attempts of one trial, as `attempt/stream`. */
type Files = Map<string, Uint8Array>;

class Reader {
  readonly records: IntakeRecord[] = [];
  readonly dropped: { readonly dropped: readonly Dropped[]; readonly cursor: OutputCursor }[] = [];
  readonly order: ReadingOrder;
  nLimits = 0;
  readonly intake: AttemptIntake;

  constructor(
    files: Files,
    options: {
      attempt?: number;
      recorded?: OutputCursor;
      metrics?: readonly MetricSource[];
      limit?: number;
      limits?: Partial<TrialLimits>;
      order?: ReadingOrder;
    } = {},
  ) {
    this.order = options.order ?? new ReadingOrder();
    const bytesOf = (attempt: number, stream: string): Uint8Array => files.get(`${attempt}/${stream}`) ?? new Uint8Array();
    this.intake = new AttemptIntake({
      key: { studyId: 's', trial: 0, attempt: options.attempt ?? 1 },
      spec: study({ metrics: options.metrics ?? [], limits: { outputBytes: options.limit ?? 1e9, ...options.limits } }),
      required: ['loss'],
      order: this.order,
      output: {
        // Later than asked, as a disk answers.
        read: async (key, stream, offset, maxBytes) => {
          await new Promise((resolve) => setImmediate(resolve));
          return bytesOf(key.attempt, stream).subarray(offset, offset + maxBytes);
        },
        size: (key, stream) => Promise.resolve(bytesOf(key.attempt, stream).length),
      },
      recorded: options.recorded ?? {},
      // As where everything is recorded at once.
      onRecords: (records) => {
        this.records.push(...records);
        setImmediate(() => this.order.recorded());
      },
      onDropped: (dropped, cursor) => this.dropped.push({ dropped, cursor }),
      onOutputLimit: () => this.nLimits++,
      onError: (error) => {
        throw error;
      },
    });
  }

  /** Resolves when what is there has been read. */
  async settled(): Promise<void> {
    for (let quiet = 0, n = -1; quiet < 20; quiet = this.records.length === n ? quiet + 1 : 0) {
      n = this.records.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
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

  test.each(['out', 'metrics'])('of %s beyond the limit nothing is read, so that a cut there is no loss', async (stream) => {
    // The limit falls into the third number: what looks like a whole one is not.
    const written = '{"step": 1, "loss": 25}\n'.repeat(3);
    const limit = written.length - 3;
    const uncut = await readWhole(filesOf({ [`1/${stream}`]: written + 'x'.repeat(100_000) }), { limit });
    expect(uncut.shown).toEqual(['1 loss=25', '1 loss=25']);
    const recorded = uncut.records.at(-1)?.cursor ?? {};
    const cut = await readWhole(filesOf({ [`1/${stream}`]: written.slice(0, limit + 1) }), { limit, recorded });
    expect(cut.shown).toEqual([]);
    expect(cut.nLimits).toBe(1);
  });

  test('a number that the limit of output cuts is no value', async () => {
    const reader = await readWhole(filesOf({ '1/out': 'loss=0.53\nloss=0.53\n' }), { limit: 18 });
    expect(reader.shown).toEqual(['1 loss=0.53']);
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

describe('limits of what is recorded', () => {
  const lines = (n: number, line: (i: number) => string): string => Array.from({ length: n }, (_, i) => `${line(i)}\n`).join('');
  const countOf = (reader: Reader): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { dropped } of reader.dropped)
      for (const { limit, count } of dropped) counts[limit] = (counts[limit] ?? 0) + count;
    return counts;
  };
  const valuesOf = (reader: Reader, name: string): number =>
    reader.records.filter(({ values }) => values[name] !== undefined).length;

  test.each<{
    what: string;
    text: string;
    limits?: Partial<TrialLimits>;
    kept: Readonly<Record<string, number>>;
    dropped: Readonly<Record<string, number>>;
  }>([
    { what: 'little is kept in full', text: lines(50, (i) => `loss=${i} acc=${i}`), kept: { loss: 50, acc: 50 }, dropped: {} },
    {
      what: 'of many reports of a metric each tenth is kept, then each hundredth, but all of an objective',
      text: lines(20_000, (i) => `loss=${i} acc=${i}`),
      limits: { metricRecords: 100 },
      // 100, each tenth up to 1,000, each hundredth up to 10,000, each thousandth.
      kept: { loss: 20_000, acc: 100 + 90 + 90 + 10 },
      dropped: { records: 20_000 - 290 },
    },
    {
      what: 'lines without an objective are left out as a whole',
      text: lines(1_000, (i) => `acc=${i}`),
      limits: { metricRecords: 100 },
      kept: { acc: 190 },
      dropped: { records: 810 },
    },
    {
      what: 'names beyond the limit, but never the objective',
      text: lines(100, (i) => `metric_${i}=1`) + lines(3, (i) => `loss=${i}`),
      limits: { metricNames: 10 },
      kept: { metric_0: 1, metric_9: 1, metric_10: 0, loss: 3 },
      dropped: { names: 90 },
    },
    { what: 'a long line', text: `${'x=1 '.repeat(30_000)}\nloss=2\n`, kept: { loss: 1 }, dropped: { line: 1 } },
    {
      what: 'of a flood the last values of metrics, and every value of the objective',
      text: lines(250_000, (i) => `loss=${i} acc=${i}`),
      limits: { metricRecords: 1e9 },
      kept: { loss: 250_000 },
      dropped: { rate: expect.any(Number) },
    },
  ])('$what', async ({ text, limits, kept, dropped }) => {
    const reader = await readWhole(filesOf({ '1/out': text }), limits === undefined ? {} : { limits });
    for (const [name, count] of Object.entries(kept)) expect({ [name]: valuesOf(reader, name) }).toEqual({ [name]: count });
    expect(countOf(reader)).toEqual(dropped);
    const last = reader.records.findLast(({ values }) => values['acc'] !== undefined);
    if (dropped['rate'] !== undefined) {
      expect(countOf(reader)['rate']).toBe(250_000 - valuesOf(reader, 'acc'));
      expect(last?.values['acc']).toBe(249_999);
    }
  });

  test('what was left out is counted once, however often the agent begins again', async () => {
    const text = lines(3_000, (i) => `loss=${i} acc=${i} ${i % 7 === 0 ? `odd_${i}=1` : ''}`);
    const files = filesOf({ '1/out': text });
    const limits = { metricRecords: 50, metricNames: 20 };
    const whole = await readWhole(files, { limits });
    await assert(
      asyncProperty(array(integer({ min: 0, max: text.length }), { maxLength: 5 }), async (cuts) => {
        let recorded: OutputCursor = {};
        const all: { values: number; dropped: Record<string, number> } = { values: 0, dropped: {} };
        for (const end of [...cuts.toSorted((a, b) => a - b), text.length]) {
          const growing: Files = new Map([['1/out', encode(text).subarray(0, end)]]);
          const reader = new Reader(growing, { recorded, limits });
          if (end === text.length) await reader.intake.finish();
          else {
            reader.intake.poke();
            await reader.settled();
          }
          recorded = [...reader.records, ...reader.dropped].reduce<OutputCursor>(
            (far, { cursor }) => ((cursor.out ?? 0) > (far.out ?? 0) ? cursor : far),
            recorded,
          );
          all.values += reader.records.length;
          for (const [limit, count] of Object.entries(countOf(reader))) all.dropped[limit] = (all.dropped[limit] ?? 0) + count;
        }
        expect(all).toEqual({ values: whole.records.length, dropped: countOf(whole) });
      }),
      { numRuns: 20 },
    );
  });
});

describe('the order of reading', () => {
  test('while much waits to be recorded nobody reads, and then one after the other', async () => {
    const order = new ReadingOrder();
    await order.enter();
    order.leave(1_000_000);
    const came: number[] = [];
    const waiting = [1, 2, 3, 4, 5, 6].map(async (reader) => {
      await order.enter();
      came.push(reader);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(came).toEqual([]);
    order.recorded();
    await new Promise((resolve) => setImmediate(resolve));
    expect(came).toEqual([1, 2, 3, 4]);
    order.leave(0);
    order.leave(0);
    await Promise.all(waiting);
    expect(came).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a trial that prints without end delays another by a chunk, not by all it has', async () => {
    const order = new ReadingOrder();
    const files = filesOf({ '1/out': 'loss=1\n'.repeat(150_000) });
    const loud = new Reader(files, { order });
    const quiet = new Reader(filesOf({ '1/out': 'loss=7\n' }), { order });
    const flood = loud.intake.finish();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await quiet.intake.finish();
    expect(quiet.shown).toEqual(['1 loss=7']);
    expect(loud.records.length).toBeLessThan(150_000);
    await flood;
    expect(loud.records).toHaveLength(150_000);
  });
});

test('output that was read once and is gone is a loss, not an end', async () => {
  const files: Files = new Map([['1/out', new TextEncoder().encode('epoch 1 loss=2\n')]]);
  const recorded = { out: 15 };
  expect((await readWhole(files, { recorded })).shown).toEqual([]);
  files.set('1/out', new Uint8Array());
  await expect(readWhole(files, { recorded })).rejects.toMatchObject({
    code: 'HPO-3013',
    message: expect.stringMatching(/has 0 bytes, of which 15 were read/),
  });
});
