import { lookAtContainer, refuseDetected, refuseUnsettled } from './containerPreflight.ts';
import { containerSettings } from './containerSettings.ts';
import { dataNotes } from './dataNotes.ts';
import type { EngineProgress } from './engine/engine.ts';
import { secretDiagnostics } from './packaging/secrets/index.ts';
import { selectFiles } from './packaging/selectFiles.ts';
import { containerDiagnostics, type PreflightPorts, selectionOf } from './preflight.ts';
import type { ImageDescription, Requests, TuneRequest } from './protocol/requests.ts';
import { readProject } from './readProject.ts';

/** The environment image of a script and what goes into its containers, without making anything. */
export async function describeImage(request: TuneRequest, ports: PreflightPorts): Promise<ImageDescription> {
  const project = await readProject(request.script);
  const { detected, recipe, refusal } = await lookAtContainer(request, project, ports);
  const selection = await selectFiles({ home: ports.home, ...selectionOf(project, { ...request, executor: 'docker' }) });
  const files = selection.entries.flatMap((entry) => (entry.type === 'file' ? [{ path: entry.path, bytes: entry.bytes }] : []));
  const { mounts } = await containerSettings({
    script: project.spec,
    root: project.root,
    home: ports.home,
    image: { name: recipe.name, id: '', recipe: null },
  });
  const found = refusal === null ? await ports.containers.find(recipe) : null;
  const { build } = recipe;
  const dockerfile = build?.context.find(({ path }) => path === build.dockerfile);
  return {
    kind: detected.kind,
    reason: recipe.reason,
    isReproducible: detected.isReproducible,
    passedOver: detected.passedOver,
    notes: [...recipe.notes, ...(await dataNotes(selection.entries, mounts))],
    diagnostics: [
      ...containerDiagnostics(project, detected),
      ...(await secretDiagnostics(
        selection.root,
        files.map(({ path }) => path),
      )),
    ],
    question: detected.question,
    image: found?.name ?? recipe.name,
    key: build === null ? null : recipe.key,
    id: found?.id ?? null,
    engine: refusal === null ? null : { code: refusal.code, message: refusal.message, next: refusal.next },
    base: build?.base ?? null,
    dockerfile: dockerfile === undefined ? null : Buffer.from(dockerfile.content).toString(),
    secrets: build?.secrets ?? [],
    snapshot: {
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      files: files.sort((a, b) => b.bytes - a.bytes),
      linked: selection.entries.filter(({ type }) => type === 'link').map(({ path }) => path),
      excluded: selection.excluded,
    },
    mounts,
  };
}

/** Builds or pulls the image of a script. What keeps a study from starting keeps it from being built too. */
export async function makeImage(
  request: TuneRequest,
  isFresh: boolean,
  ports: PreflightPorts,
  progress: EngineProgress,
): Promise<Requests['image/build']['result']> {
  const project = await readProject(request.script);
  const look = await lookAtContainer(request, project, ports);
  refuseUnsettled(look);
  const { detected, recipe } = look;
  refuseDetected(detected);
  const known = await ports.containers.find(recipe);
  const { name, id } = await ports.containers.ensure(recipe, progress, { isFresh });
  return { image: name, id, wasThere: known?.id === id };
}
