import { executorSuite } from './executorSuite.ts';
import { openFakeWorld, openLocalWorld } from './executorWorlds.ts';
import { openVirtualDockerWorld, openVirtualKubernetesWorld, openVirtualWorld } from './virtualWorld.ts';

executorSuite('fake', openFakeWorld);
executorSuite('local', openLocalWorld);
executorSuite('local, on a virtual machine', openVirtualWorld);
executorSuite('docker, on a virtual machine', openVirtualDockerWorld);
executorSuite('kubernetes, on a virtual cluster', openVirtualKubernetesWorld);
