import { ConfigurationTarget, window, workspace } from 'vscode';
import { type Backend, settings } from '../config.ts';

const choices: readonly { readonly label: string; readonly detail: string; readonly backend: Backend }[] = [
  {
    label: '$(device-desktop) Local',
    detail: 'Each trial is a process of this machine, in the Python that is chosen.',
    backend: 'local',
  },
  {
    label: '$(package) Docker',
    detail: 'Each trial gets a container, of an image that is made from the project.',
    backend: 'docker',
  },
  {
    label: '$(cloud) Kubernetes',
    detail: 'Each trial gets a pod of a cluster, of an image that its nodes can pull.',
    backend: 'kubernetes',
  },
];

/** Asks where trials run, and keeps it as the setting of the workspace. */
export async function chooseBackend(): Promise<void> {
  const script = window.activeTextEditor?.document.uri;
  const { backend } = settings(script);
  const items = choices.map((choice) => ({ ...choice, description: choice.backend === backend ? 'chosen' : '' }));
  const picked = await window.showQuickPick(items, { title: 'Select Backend', placeHolder: 'Where should trials run?' });
  if (picked === undefined) return;
  const target = workspace.workspaceFolders === undefined ? ConfigurationTarget.Global : ConfigurationTarget.Workspace;
  await workspace.getConfiguration('hpo', script).update('backend', picked.backend, target);
}
