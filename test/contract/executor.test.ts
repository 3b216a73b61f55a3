import { executorSuite } from './executorSuite.ts';
import { openFakeWorld, openLocalWorld } from './executorWorlds.ts';

executorSuite('fake', openFakeWorld);
executorSuite('local', openLocalWorld);
