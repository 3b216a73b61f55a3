import type { Command } from 'commander';
import { moveStudy } from '../client/index.ts';
import { chosenProfile, readProfiles } from '../cluster/index.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { HpoError } from '../protocol/errors.ts';
import { clusterAgent, thisMachine } from './agentChoice.ts';
import { agree } from './clusterConfirm.ts';
import type { CommandLine } from './commandLine.ts';
import { findStudyId } from './findStudy.ts';

interface MoveOptions {
  readonly to: string;
  readonly force?: boolean;
  readonly yes?: boolean;
}

export function moveCommand(program: Command, line: CommandLine): void {
  program
    .command('move <study>')
    .description('hand a study on Kubernetes over to another agent; its running trials go on')
    .requiredOption('--to <where>', 'local, cluster or cluster:NAME')
    .option('--force', 'take it back although the agent that has it is gone for good: what came since it left is lost')
    .option('-y, --yes', 'do not ask')
    .action((study: string, options: MoveOptions) =>
      options.force === true ? takeBack(line, study, options) : move(line, study, options.to),
    );
}

async function move(line: CommandLine, study: string, where: string): Promise<void> {
  const [kind = '', ...rest] = where.split(':');
  if (!(kind === 'cluster' || (kind === 'local' && rest.length === 0))) {
    throw new HpoError('HPO-2511', `there is no agent "${where}"`, 'choose: --to local, --to cluster or --to cluster:NAME', {
      exitCode: 2,
    });
  }
  const name = rest.length === 0 ? null : rest.join(':');
  // Back from the one that `--agent` says, else from that of the cluster in use.
  await using there = clusterAgent(chosenProfile(readProfiles(line.home), name ?? line.remoteAgent?.cluster ?? null));
  await using client = await there.connect();
  const local = { client: await line.localAgent(), place: thisMachine() };
  const remote = { client, place: there.place };
  const [from, to] = kind === 'cluster' ? [local, remote] : [remote, local];
  const studyId = await findStudyId(from.client, study);
  const isMoved = await moveStudy(studyId, from, to, (text) => line.note(line.style('dim', `· ${text}`, line.stderr)));
  const { spec } = await to.client.view(studyId, { withoutCurves: true });
  const secrets = spec.container?.secrets ?? [];
  if (isMoved && secrets.length > 0)
    line.note(
      `its secrets (${secrets.join(', ')}) are where they were, in the study's Secret on the cluster; its trials do not run without`,
    );
  line.print(`${studyId} ${isMoved ? 'moved to' : 'is already in'} ${to.place}`);
}

/** As it was when it left: for where its agent, or the volume with its state, does not exist any more. */
async function takeBack(line: CommandLine, study: string, { to, yes = false }: MoveOptions): Promise<void> {
  if (to !== 'local')
    throw new HpoError(
      'HPO-2511',
      `--force takes a study back to this machine, not to "${to}"`,
      'hpo move STUDY --to local --force',
      {
        exitCode: 2,
      },
    );
  const client = await line.localAgent();
  const studyId = await findStudyId(client, study);
  const { movedTo, trials, spec } = await client.view(studyId, { withoutCurves: true });
  if (movedTo === null) {
    line.print(`${studyId} is already in ${thisMachine()}`);
    return;
  }
  const profile = chosenProfile(readProfiles(line.home), line.remoteAgent?.cluster ?? null);
  if (await hasAgent(line, profile)) {
    throw new HpoError(
      'HPO-2519',
      `the agent of the cluster ${profile.name} is there and answers: ${studyId} is not lost`,
      `bring it back with all that it has: hpo move ${studyId} --to local`,
    );
  }
  const nEnded = trials.filter(({ endedAt }) => endedAt !== null).length;
  line.note(
    `${studyId} left for ${movedTo} with ${nEnded} of ${spec.budget.trials ?? 'its'} trials ended; it goes on from there.`,
  );
  line.note('What it found since then is lost, and what runs of it is taken up or begun again.');
  line.note('If that agent comes back, it does nothing with the study any more.');
  await agree(`Take ${studyId} back without it?`, yes);
  await client.request('move/takeBack', { studyId, from: movedTo });
  line.print(`${studyId} is taken back to ${thisMachine()}`);
}

/** Whether the agent of the cluster can be spoken to; why not is said. */
async function hasAgent(line: CommandLine, profile: ClusterProfile): Promise<boolean> {
  try {
    await using there = clusterAgent(profile);
    await using client = await there.connect();
    await client.request('agent/status', {});
    return true;
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    line.note(`${line.style('yellow', 'note', line.stderr)} ${error.message}`);
    return false;
  }
}
