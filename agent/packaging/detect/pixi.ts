import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import type { Finding, Row, Search } from './finding.ts';

export const pixi: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = join(folder, 'pixi.lock');
  if ((await project.bytes(path)) === null) return null;
  const faults: Diagnostic[] = [];
  await project.yaml(path, faults);
  return { kind: 'pixi', file: path, files: [path], packages: [], versions: [], requirements: [], isReproducible: true, faults };
};
