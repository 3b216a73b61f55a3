import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import type { ClusterSettings, ContainerSettings } from '../../../agent/protocol/study.ts';
import { simulatedPlace } from '../machine/cluster/kube.ts';
import { simulatedContainer } from './images.ts';

/** What every study of pods runs in. */
export const podContainer: ContainerSettings = {
  ...simulatedContainer,
  image: {
    name: `registry.test/hpo@sha256:${'1'.repeat(64)}`,
    id: `sha256:${'1'.repeat(64)}`,
    recipe: null,
  },
};

/** What every study of pods has besides; `home` is where the simulated agents keep theirs. */
function clusterSettingsOf(homeDir: string): ClusterSettings {
  return {
    context: simulatedPlace.context,
    namespace: simulatedPlace.namespace,
    home: new StudyFolders(homeDir).homeMark,
    codeIn: 'objects',
    pullSecrets: [],
    queue: null,
    priorityClass: null,
    volumes: [],
    checkpoints: { type: 'volume', claim: 'checkpoints', path: '' },
    pools: [{ name: 'any', when: null, slots: null, gpus: 0, gpuResource: 'nvidia.com/gpu', nodeSelector: {}, tolerations: [] }],
    podTemplate: null,
    followsCapacity: false,
  };
}

export const simulatedClusterSettings = clusterSettingsOf('/home/.hpo');
