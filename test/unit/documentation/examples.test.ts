import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseHpoYml, parseScript } from '../../../agent/core/annotations/index.ts';

const root = join(import.meta.dirname, '..', '..', '..');

/** What the documentation shows has to be what the product takes. */
describe.each(['README.md', 'media/annotations.md'])('%s', (document) => {
  const blocks = [...readFileSync(join(root, document), 'utf8').matchAll(/^```(python|yaml)\n([\s\S]*?)^```/gm)];

  it('has examples', () => expect(blocks.length).toBeGreaterThan(0));

  // The client of `hpo serve` is run by its own test.
  const annotated = blocks
    .map(([, language = '', text = '']) => ({ language, text }))
    .filter(({ text }) => !text.includes('"serve"'));
  it.each(annotated)('$language example: $text', ({ language, text }) => {
    const { spec, diagnostics } = language === 'python' ? parseScript(text, 'train.py') : parseHpoYml(text, 'hpo.yml');
    // An example of containers says by an info what counts in them only.
    expect(diagnostics.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(spec.objectives).toHaveLength(1);
    expect(spec.space.parameters.length).toBeGreaterThan(0);
  });
});
