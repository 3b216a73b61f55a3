import type { Diagnostic } from '../../protocol/space.ts';
import { listInstalled } from '../environment/probe.ts';
import { fault } from './faults.ts';
import type { Finding } from './finding.ts';
import { packageOf } from './pythonPackages.ts';
import { pinClaim } from './pythonVersion.ts';

/** What the interpreter has installed now, as a frozen list; what cannot be installed again by name is told. */
export async function interpreterList(interpreter: string, root: string, script: string): Promise<Finding> {
  const place = { file: script, text: '', span: null };
  const base = { kind: 'interpreter' as const, file: interpreter, files: [], isReproducible: false };
  const answer = await listInstalled(interpreter, root);
  if ('error' in answer) {
    const why = `no file says which packages ${script} needs, and ${interpreter} cannot tell: it ${answer.error}`;
    const faults = [fault('HPO-2425', 'error', place, why, 'add a requirements.txt, or name an image: # @hpo.image NAME')];
    return { ...base, packages: [], versions: [], requirements: [], faults };
  }
  const requirements: string[] = [];
  const local: string[] = [];
  for (const { name, version, url, commit, isEditable, isOfSystem } of answer.packages) {
    if (/^(?:pip|setuptools|wheel|distribute)$/i.test(name)) continue;
    if (isEditable || url.startsWith('file:') || isOfSystem) local.push(name);
    else if (commit !== '') requirements.push(`${name} @ git+${url}@${commit}`);
    else requirements.push(url === '' ? `${name}==${version}` : `${name} @ ${url}`);
  }
  const faults: Diagnostic[] = [
    fault(
      'HPO-2428',
      'info',
      place,
      `no file says which packages ${script} needs, so the image gets the ${requirements.length} that ${interpreter} has now, which is not reproducible`,
      'write them down: pip freeze > requirements.txt, or use uv',
    ),
  ];
  if (local.length > 0) {
    const why = `${interpreter} has packages that no index has, installed from a folder or by the system: ${listed(local)}`;
    faults.push(
      fault('HPO-2428', 'warning', place, `${why}; the image lacks them`, 'put their code into the project, or publish them'),
    );
  }
  // The series: its last release has what the one of this machine has.
  const claim = pinClaim(answer.version.split('.').slice(0, 2).join('.'), place);
  return {
    ...base,
    packages: requirements.map((line) => packageOf(line, () => place)).filter((item) => item !== null),
    versions: claim === null ? [] : [claim],
    requirements: requirements.sort(),
    faults,
    reason: `the packages of ${interpreter} as they are now (not reproducible)`,
  };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
