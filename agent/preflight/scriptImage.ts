import { type ClusterLook, lookAtCluster, settledOf } from './cluster/clusterPreflight.ts';
import { lookAtContainer, refuseDetected, refuseUnsettled } from './container/containerPreflight.ts';
import { containerSettings } from './container/containerSettings.ts';
import { dataNotes } from './dataNotes.ts';
import type { EngineProgress } from '../engine/engine.ts';
import { secretDiagnostics } from '../packaging/secrets/index.ts';
import { selectFiles } from '../packaging/selectFiles.ts';
import { containerDiagnostics, forExecutor, type PreflightPorts, selectionOf } from './preflight.ts';
import type { ImageDescription, Requests, TuneRequest } from '../protocol/requests.ts';
import { readProject } from './readProject.ts';

/** The environment image of a script and what goes into its containers, without making anything. */
export async function describeImage(request: TuneRequest, ports: PreflightPorts): Promise<ImageDescription> {
  const project = forExecutor(request, await readProject(request.script));
  const isOnCluster = request.executor === 'kubernetes';
  const selection = await selectFiles({ home: ports.home, ...selectionOf(project, { executor: 'docker', ...request }) });
  const onCluster = isOnCluster ? await lookAtCluster(request, project, selection.entries, ports) : null;
  const { detected, recipe, refusal } = onCluster?.image ?? (await lookAtContainer(request, project, ports));
  const files = selection.entries.flatMap((entry) => (entry.type === 'file' ? [{ path: entry.path, bytes: entry.bytes }] : []));
  const { mounts } = await containerSettings({
    // Pods get volumes in the place of mounts.
    script: isOnCluster ? { ...project.spec, data: [] } : project.spec,
    root: project.root,
    home: ports.home,
    image: { name: recipe.name, id: '', recipe: null },
  });
  const found = refusal === null && !isOnCluster ? await ports.containers.find(recipe) : null;
  const { build } = recipe;
  const dockerfile = build?.context.find(({ path }) => path === build.dockerfile);
  return {
    kind: detected.kind,
    reason: recipe.reason,
    isReproducible: detected.isReproducible,
    passedOver: detected.passedOver,
    notes: [...(onCluster === null ? recipe.notes : onCluster.container.notes), ...(await dataNotes(selection.entries, mounts))],
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
    cluster: onCluster === null ? null : onClusterOf(onCluster),
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

/** Throws where there is no cluster to be had, or several could be meant. */
function onClusterOf(look: ClusterLook): ImageDescription['cluster'] {
  const { profile } = settledOf(look);
  const { cluster, container } = look;
  return {
    name: profile.name,
    namespace: profile.namespace,
    imageFrom: cluster?.imageFrom ?? '',
    codeBy: cluster?.codeBy ?? '',
    isReady: container.isReady,
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
