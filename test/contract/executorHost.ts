import { LocalExecutor } from '../../agent/executors/local/localExecutor.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { SnapshotStore } from '../../agent/packaging/snapshot.ts';
import type { AttemptStart } from '../../agent/executors/executor.ts';

/**
 * An agent to be killed: starts the attempts given as JSON in the third argument, says "started", and stays.
 * Arguments: home folder, snapshots folder, attempts.
 */
const [homeDir = '', snapshotsDir = '', attempts = '[]'] = process.argv.slice(2);
const ignore = (): void => {};
const executor = new LocalExecutor({
  system: nodeSystem(),
  homeDir,
  snapshots: new SnapshotStore(snapshotsDir),
  listener: { waits: ignore, room: ignore, started: ignore, output: ignore, ended: ignore },
  environment: process.env,
});
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the test beside
for (const attempt of JSON.parse(attempts) as AttemptStart[]) await executor.start(attempt);
process.stdout.write('started\n');
setInterval(ignore, 60_000);
