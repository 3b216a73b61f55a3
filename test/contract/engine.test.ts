import { engineSuite } from './engineSuite.ts';
import { openVirtualEngine } from './virtualEngine.ts';

engineSuite('simulated', openVirtualEngine);
