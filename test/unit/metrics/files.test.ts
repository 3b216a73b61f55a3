import { describe, expect, test } from 'vitest';
import { createFileMetricParser, createMetricsFileParser } from '../../../agent/metrics/fileParser.ts';
import { readAll } from './support.ts';

describe('HPO_METRICS_FILE', () => {
  const cases: readonly (readonly [what: string, content: string, ...records: string[]])[] = [
    ['steps', '{"step": 3, "val_loss": 0.2}\n{"step": 4, "val_loss": 0.1, "acc": 1}\n', '3 val_loss=0.2', '4 val_loss=0.1 acc=1'],
    ['no steps', '{"val_loss": 0.2}\n{"val_loss": 0.1}\n', '1 val_loss=0.2', '2 val_loss=0.1'],
    ['steps from 0', '{"step": 0, "a": 1}\n{"step": 1, "a": 2}\n', '1 a=1', '2 a=2'],
    ['the step before the epoch', '{"epoch": 1, "step": 300, "a": 1}\n', '300 a=1'],
    ['named values', '{"a": NaN, "b": Infinity, "c": -Infinity, "d": "nan", "e": null}\n', '1 a=nan b=inf c=-inf d=nan'],
    ['lines that are no objects', 'x\n[1]\n3\n\n{"a": 1}\n{"a": \n{"a": 2}', '1 a=1', '2 a=2'],
    ['objects without a number', '{"step": 5}\n{"step": 6, "name": "x"}\n'],
  ];
  test.each(cases)('%s', (_what, content, ...records) => {
    expect(readAll(createMetricsFileParser(), content)).toEqual(records);
  });

  test('ends are the offsets behind the lines', () => {
    const parser = createMetricsFileParser();
    expect(parser.push(Buffer.from('{"a":1}\n{"a":2}')).map((record) => record.end)).toEqual([8]);
    expect(parser.end().map((record) => record.end)).toEqual([15]);
  });
});

describe('annotated files', () => {
  test('JSON lines give the metric alone', () => {
    const parser = createFileMetricParser({ type: 'json', metric: 'val.loss', path: 'log.jsonl' });
    expect(readAll(parser, '{"epoch": 1, "acc": 1, "val": {"loss": 0.5}}\n{"acc": 1}\n')).toEqual(['1 val.loss=0.5']);
  });

  test('CSV with a header, as Keras and Lightning write it', () => {
    const parser = createFileMetricParser({ type: 'csv', metric: 'val_loss', path: 'log.csv' });
    expect(readAll(parser, 'epoch,loss,val_loss\r\n0,0.9,0.8\r\n1,0.7,\r\n2,0.5,"nan"\r\n')).toEqual([
      '1 val_loss=0.8',
      '3 val_loss=nan',
    ]);
  });

  test('TensorBoard and standard output are refused', () => {
    expect(() => createFileMetricParser({ type: 'tensorboard', metric: 'a', dir: 'x' })).toThrow(
      expect.objectContaining({ code: 'HPO-3102' }),
    );
    expect(() => createFileMetricParser({ type: 'stdout', metric: 'a', pattern: '(x)', stepPattern: null })).toThrow(
      expect.objectContaining({ code: 'HPO-3102' }),
    );
  });
});
