import type { PageState, ToHost } from './contract.ts';
import { decodePageState, decodeStudy, decodeToPage } from './decode.ts';
import type { Action } from './state.ts';

/** Whoever the page talks to: the extension, or nobody in a report. */
export interface Host {
  readonly isReadOnly: boolean;
  readonly restored: PageState | null;
  post(message: ToHost): void;
  keep(state: PageState): void;
  /** Begins to deliver; called once. */
  listen(dispatch: (action: Action) => void): void;
}

interface VsCodeApi {
  postMessage(message: ToHost): void;
  getState(): unknown;
  setState(state: PageState): void;
}

/** The host that this page has: an editor, else the data that a report carries. */
export function findHost(): Host {
  const acquire = (globalThis as { acquireVsCodeApi?: () => VsCodeApi }).acquireVsCodeApi;
  return acquire === undefined ? reportHost() : editorHost(acquire());
}

function editorHost(api: VsCodeApi): Host {
  const host: Host = {
    isReadOnly: false,
    restored: decodePageState(api.getState()),
    // The editor's own function of that name, which knows where it goes.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    post: (message) => api.postMessage(message),
    keep: (state) => api.setState(state),
    listen(dispatch) {
      // The editor's wrapper posts to this window; nothing else can reach a webview's page.
      window.addEventListener('message', (event: MessageEvent<unknown>) => {
        const decoded = decodeToPage(event.data);
        dispatch('value' in decoded ? decoded.value : { type: 'undecodable', problem: decoded.problem });
      });
      host.post({ type: 'ready' });
    },
  };
  return host;
}

function reportHost(): Host {
  return {
    isReadOnly: true,
    restored: null,
    post: () => {},
    keep: () => {},
    listen(dispatch) {
      const decoded = readReport();
      if ('value' in decoded) dispatch({ type: 'study', view: decoded.value });
      else
        dispatch({
          type: 'notice',
          notice: {
            severity: 'error',
            text: `This report cannot be read (${decoded.problem}). Make it again with "hpo report STUDY -o report.html".`,
          },
        });
    },
  };
}

function readReport(): ReturnType<typeof decodeStudy> {
  const text = document.querySelector('#hpo-study')?.textContent;
  if (text === undefined) return { problem: 'it carries no study' };
  try {
    return decodeStudy(JSON.parse(text));
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
