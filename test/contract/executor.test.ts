import { executorSuite } from './executorSuite.ts';
import { openFakeWorld, openLocalWorld } from './executorWorlds.ts';
import { openVirtualWorld } from './virtualWorld.ts';

executorSuite('fake', openFakeWorld);
executorSuite('local', openLocalWorld);
executorSuite('local, on a virtual machine', openVirtualWorld);
