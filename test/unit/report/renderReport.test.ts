import { describe, expect, it } from 'vitest';
import { renderReport } from '../../../agent/report/renderReport.ts';
import { scene, type SceneName } from '../../support/views.ts';

const script =
  'const a=`<!--${1}-->`,b="</script>",c=/<\\/SCRIPT/;globalThis.made=[a,b,c.source];\n//# sourceMappingURL=webview.js.map\n';

/** The texts of the report's script elements, as a browser would cut them. */
const scripts = (html: string) => [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script/gi)].map((match) => match[1] ?? '');

describe('a report', () => {
  it.each<SceneName>(['empty', 'ended', 'failed', 'hostile'])('of %s carries exactly its study', (name) => {
    const [data, code, ...others] = scripts(renderReport(scene(name), script, 'p { color: red }', ''));
    expect(JSON.parse(data ?? '')).toEqual(JSON.parse(JSON.stringify(scene(name))));
    expect(data).not.toContain('<');
    expect(code).toContain('globalThis.made');
    expect(others).toEqual([]);
  });

  it('leaves the meaning of the script as it is', () => {
    const [, code = ''] = scripts(renderReport(scene('empty'), script, '', ''));
    expect(code).not.toContain('<!--');
    expect(code).not.toContain('sourceMappingURL');
    // The text is this test's own, run to see that the escapes changed nothing.
    // oxlint-disable-next-line no-new-func, no-implied-eval
    new Function(code)();
    expect((globalThis as unknown as { made: string[] }).made).toEqual(['<!--1-->', '</script>', '<\\/SCRIPT']);
  });

  it('names nothing outside itself', () => {
    const html = renderReport(scene('hostile'), 'void 0;', 'p { color: red }', '');
    expect(html.match(/(src|href)="(?!data:)[^"]*"/g)).toBeNull();
    expect(html).toMatch(/default-src 'none'; script-src 'sha256-[A-Za-z0-9+/=]{44}'/);
  });

  it('shows what the trials say as text, and nothing where there is nothing to say', () => {
    const html = renderReport(scene('ended'), '', '', 'lr  62 %  <img src=x>');
    expect(html).toContain('<pre>lr  62 %  &lt;img src=x&gt;</pre>');
    expect(renderReport(scene('ended'), '', '', '')).not.toContain('<pre>');
  });

  it('tells those without JavaScript the result', () => {
    expect(renderReport(scene('ended'), '', '', '')).toContain(
      '<noscript><p>train.py: 40 trials. Best val_accuracy 0.972139 in trial 13 with learning_rate=',
    );
    expect(renderReport(scene('empty'), '', '', '')).toContain('train.py: 0 trials, no best one.');
    expect(renderReport(scene('hostile'), '', '', '')).not.toMatch(/<noscript>.*<(img|script|svg)/);
  });
});
