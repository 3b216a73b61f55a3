import { describe, expect, it } from 'vitest';
import { ServeSession } from '../../../agent/cli/serveSession.ts';
import { parseScript } from '../../../agent/core/annotations/index.ts';
import { compileSpace } from '../../../agent/core/space/index.ts';
import { createMetricParser, createMetricsFileParser } from '../../../agent/metrics/index.ts';
import { decodeParams } from '../../../agent/protocol/decoders.ts';

/** Where a plain object is asked for one of these, it answers although nobody gave it a value. */
const reserved = ['__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__', 'isPrototypeOf'];

const distribution = { type: 'float', low: 0, high: 1, log: false, revlog: false, step: null } as const;
const place = { when: null, sink: { type: 'literal' }, site: { file: '', line: 1, column: 1 }, literal: null } as const;

describe.each(reserved)('the name %s', (name) => {
  it('is refused for a parameter, an objective and a source in a script', () => {
    const codes = (text: string): string[] => parseScript(text, 'a.py').diagnostics.map(({ code }) => code);
    expect(codes(`${name} = 0.5  # @hpo float(0, 1)\n`)).toContain('HPO-1120');
    expect(codes(`# @hpo.objective ${name} min\n`)).toContain('HPO-1124');
    expect(codes(`# @hpo.metric ${name} from json a.json\n`)).toContain('HPO-1126');
  });

  it('is refused in a space, in a request and by hpo serve', () => {
    expect(() => compileSpace({ parameters: [{ name, distribution, ...place }], where: [] })).toThrow(
      expect.objectContaining({ code: 'HPO-4101' }),
    );
    const objective = { metric: name, direction: 'min' };
    expect(() => decodeParams('study/create', { script: '/a.py', objective })).toThrow(
      expect.objectContaining({ code: 'HPO-5010' }),
    );
    const create = (parameter: string, metric: string): string =>
      new ServeSession().answer(
        JSON.stringify({
          create: { parameters: [{ name: parameter, distribution }], objectives: [{ metric, direction: 'min' }] },
        }),
      );
    expect(create('x', 'loss')).toBe('{"ok":true}');
    expect(create(name, 'loss')).toMatch(/HPO-4101/);
    expect(create('x', name)).toMatch(/HPO-4501/);
  });

  it('in output changes no object, and is read beside the others', () => {
    const text = `{"${name}": {"polluted": 1}, "loss": 2, "${name}.polluted": 3}\n`;
    for (const parser of [createMetricsFileParser(), createMetricParser({ sources: [], expected: ['loss'] })]) {
      const [record] = parser.push(Buffer.from(text));
      expect(record?.values).toMatchObject({ loss: 2 });
      expect(Object.getPrototypeOf(record?.values)).toBe(Object.prototype);
    }
    expect('polluted' in {}).toBe(false);
  });
});

it('does not refuse names that merely look so', () => {
  const { diagnostics, spec } = parseScript('constructors = 0.5  # @hpo float(0, 1)\n', 'a.py');
  expect(diagnostics).toEqual([]);
  expect(spec.space.parameters.map(({ name }) => name)).toEqual(['constructors']);
});
