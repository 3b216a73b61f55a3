import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StudyView } from '../protocol/view.ts';
import { renderReport } from '../report/index.ts';

/** One self-contained page with the panel's charts; opens offline. */
export async function reportHtml(view: StudyView): Promise<string> {
  // The page's program lies beside the command line's bundle, its style in media/.
  const script = await readFile(join(import.meta.dirname, 'webview.js'), 'utf8');
  const style = await readFile(join(import.meta.dirname, '..', 'media', 'panel.css'), 'utf8');
  return renderReport(view, script, style);
}
