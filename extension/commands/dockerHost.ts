import { window } from 'vscode';
import { settings } from '../config.ts';
import type { Services } from '../services.ts';
import { messageText } from '../plainText.ts';

/**
 * An agent uses one engine for as long as it runs: the one that it was started with. Where the setting names another one, it is
 * started anew, if the user says so: running trials of this machine go on meanwhile. False when it cannot or shall not be.
 */
export async function useDockerHost({ link, store }: Pick<Services, 'link' | 'store'>): Promise<boolean> {
  // What an agent of this window inherits, where the setting is empty.
  const wanted = settings().dockerHost ?? (process.env['HPO_DOCKER_HOST'] || null);
  const client = await link.client();
  const { dockerHost } = await client.request('agent/status', {});
  if (wanted === dockerHost) return true;
  const difference = `The agent that runs uses ${dockerHost ?? 'the Docker that it found'}; the setting hpo.docker.host ${wanted === null ? 'is empty' : `says ${wanted}`}.`;
  const running = store.list().filter(({ state, spec }) => state !== 'ended' && spec.executor === 'docker');
  if (running.length > 0) {
    // Their containers would be lost to an agent that looks for them elsewhere.
    const names = running.map(({ spec }) => spec.name).join(', ');
    const text = `${difference} What runs in containers there would be lost (${names}): stop it first, then tune again.`;
    void window.showErrorMessage(messageText(text));
    return false;
  }
  const restart = 'Restart Agent';
  if ((await window.showWarningMessage(messageText(difference), restart)) !== restart) return false;
  await client.request('agent/stop', {});
  await client.closed;
  return true;
}
