import type { Command } from 'commander';
import { moveStudy } from '../client/index.ts';
import { chosenProfile, readProfiles } from '../cluster/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { clusterAgent, thisMachine } from './agentChoice.ts';
import type { CommandLine } from './commandLine.ts';
import { findStudyId } from './findStudy.ts';

export function moveCommand(program: Command, line: CommandLine): void {
  program
    .command('move <study>')
    .description('hand a study on Kubernetes over to another agent; its running trials go on')
    .requiredOption('--to <where>', 'local, cluster or cluster:NAME')
    .action((study: string, options: { readonly to: string }) => move(line, study, options.to));
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
