import type { Cluster } from '../cluster/cluster.ts';
import {
  chosenProfile,
  connectCluster,
  describeCommand,
  identify,
  readKubeconfig,
  readProfiles,
  withProfile,
  writeProfiles,
} from '../cluster/index.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { agree } from './clusterConfirm.ts';
import type { CommandLine } from './commandLine.ts';

/** Adds the profile or replaces the one of its name. `use`: it is what `--on kubernetes` means from now on. */
export function saveProfile(line: CommandLine, profile: ClusterProfile, use: boolean): void {
  writeProfiles(line.home, withProfile(readProfiles(line.home), profile, use));
}

/** The cluster of that name, or the one in use, opened; what was agreed to for it is kept. */
export async function openChosen(
  line: CommandLine,
  name: string | undefined,
  isAgreed: boolean,
): Promise<{ readonly cluster: Cluster; readonly profile: ClusterProfile }> {
  const chosen = chosenProfile(readProfiles(line.home), name ?? null);
  const opened = await openCluster(line, chosen, isAgreed);
  if (opened.profile.confirmedCommands.length > chosen.confirmedCommands.length) saveProfile(line, opened.profile, false);
  if (chosen.identity !== undefined) return opened;
  // Connected by an earlier version: from now on it is known again.
  const profile = { ...opened.profile, identity: await identify(opened.cluster) };
  saveProfile(line, profile, false);
  return { ...opened, profile };
}

/**
 * The cluster of a profile, and the profile with the program that gives credentials agreed to: a kubeconfig can name any program, and
 * would run it as the user. It is shown and asked for once.
 */
export async function openCluster(
  line: CommandLine,
  profile: ClusterProfile,
  isAgreed: boolean,
): Promise<{ readonly cluster: Cluster; readonly profile: ClusterProfile }> {
  const config = readKubeconfig(profile.kubeconfig);
  for (const warning of config.warnings) line.note(`${line.style('yellow', 'note', line.stderr)} ${warning}`);
  const { command } = config.access(profile.context);
  let { confirmedCommands } = profile;
  if (command !== null && !confirmedCommands.includes(command.hash)) {
    line.note(`the context ${profile.context} gets its credentials from a program of the kubeconfig:`);
    line.note(`  ${line.style('bold', describeCommand(command), line.stderr)}`);
    await agree('Run it, now and whenever credentials are needed?', isAgreed);
    confirmedCommands = [...confirmedCommands, command.hash];
  }
  const agreed = { ...profile, confirmedCommands };
  return { cluster: await connectCluster(agreed), profile: agreed };
}
