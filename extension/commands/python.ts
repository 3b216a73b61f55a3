import { extensions, type Uri } from 'vscode';
import type { TuneRequest } from '../../agent/protocol/requests.ts';
import { settings } from '../config.ts';

/**
 * The interpreter that the user chose in VS Code: the setting, else the environment chosen through the Python
 * environments extension or the Python extension where one is installed. Undefined leaves the search to the agent.
 */
export async function chosenPython(script: Uri): Promise<TuneRequest['interpreter']> {
  const { pythonPath } = settings(script);
  if (pythonPath !== null) return { path: pythonPath, reason: 'setting hpo.pythonPath' };
  const path = (await fromEnvironments(script)) ?? (await fromPython(script));
  return path === undefined ? undefined : { path, reason: 'environment chosen in VS Code' };
}

/** The part of the API of `ms-python.vscode-python-envs` that is used here (its published types: `@vscode/python-environments`). */
interface EnvironmentsApi {
  getEnvironment(scope: Uri): Promise<{ readonly execInfo: { readonly run: { readonly executable: string } } } | undefined>;
}

async function fromEnvironments(script: Uri): Promise<string | undefined> {
  const api = await extensionApi<EnvironmentsApi>('ms-python.vscode-python-envs', 'getEnvironment');
  return (await api?.getEnvironment(script))?.execInfo.run.executable;
}

/** The part of the API of `ms-python.python` that is used here (its published types: `@vscode/python-extension`). */
interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource: Uri): { readonly id: string; readonly path: string };
    resolveEnvironment(environment: {
      readonly id: string;
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri: Uri | undefined } } | undefined>;
  };
}

async function fromPython(script: Uri): Promise<string | undefined> {
  const api = await extensionApi<PythonApi>('ms-python.python', 'environments');
  const chosen = api?.environments.getActiveEnvironmentPath(script);
  // This id stands for whatever is on PATH: nobody chose it.
  if (api === undefined || chosen === undefined || chosen.id === 'DEFAULT_PYTHON') return undefined;
  return (await api.environments.resolveEnvironment(chosen))?.executable.uri?.fsPath;
}

/** Undefined where the extension is missing, fails to start, or lacks the member that is to be used. */
async function extensionApi<T>(id: string, member: keyof T & string): Promise<T | undefined> {
  const extension = extensions.getExtension<T>(id);
  if (extension === undefined) return undefined;
  try {
    const api = await extension.activate();
    return typeof api === 'object' && api !== null && member in api ? api : undefined;
  } catch {
    return undefined;
  }
}
