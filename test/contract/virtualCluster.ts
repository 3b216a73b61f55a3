import { randomUUID } from 'node:crypto';
import { SimulatedCluster } from '../simulation/machine/cluster/client.ts';
import { Kube } from '../simulation/machine/cluster/kube.ts';
import { Machine } from '../simulation/machine/machine.ts';
import type { Program } from '../simulation/machine/program.ts';
import { runInRealTime } from '../simulation/machine/runInRealTime.ts';
import type { ClusterWorld, PodStep } from './clusterSuite.ts';

/** The simulated cluster, whose time passes as real time does. */
export function openVirtualCluster(): Promise<ClusterWorld> {
  const machine = new Machine({ seed: 1, program: () => null });
  const kube = new Kube({ seed: 1, timeline: machine.timeline, program: ([name]) => (name === 'steps' ? runSteps : null) });
  const time = runInRealTime(machine);
  return Promise.resolve({
    labels: { 'hpo.home': 'test' },
    prefix: `hpo-test-${randomUUID()}-`,
    connect: () => Promise.resolve(new SimulatedCluster(kube, machine.agent())),
    connectStranger: () => Promise.resolve(new SimulatedCluster(kube, machine.agent(), true)),
    podSpec: (steps) => ({
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'trial',
          image: 'python',
          command: ['steps', ...steps.map((step) => JSON.stringify(step))],
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    }),
    cut: () => kube.server.breakStreams(),
    leave: () => kube.server.leave(),
    fail: (nRequests) => kube.server.fail(nRequests),
    [Symbol.asyncDispose]: () => Promise.resolve(time[Symbol.dispose]()),
  });
}

const runSteps: Program = function* steps(self) {
  for (const word of self.args) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `podSpec` above
    const step = JSON.parse(word) as PodStep;
    switch (step.do) {
      case 'print':
        self.print(step.text);
        break;
      case 'write':
        self.disk.writeText(step.path, step.text);
        break;
      case 'sleep':
        yield step.ms;
        break;
      case 'exit':
        return step.code;
    }
  }
  return 0;
};
