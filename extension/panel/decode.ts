import type { StudyCommand } from '../../agent/protocol/requests.ts';
import type { PageState, ToHost } from '../../webview/contract.ts';

/** A message of the page; null for anything that the contract does not know. The page is not trusted more than that. */
export function decodeToHost(value: unknown): ToHost | null {
  if (!isRecord(value)) return null;
  switch (value['type']) {
    case 'ready':
    case 'insertBest':
    case 'openSource':
      return { type: value['type'] };
    case 'openLog':
      return isCount(value['trial']) ? { type: 'openLog', trial: value['trial'] } : null;
    case 'command': {
      const command = decodeCommand(value['command']);
      return command === null ? null : { type: 'command', command };
    }
    default:
      return null;
  }
}

/** What the page kept over a reload; null when it is not that. */
export function decodePageState(value: unknown): PageState | null {
  if (!isRecord(value) || typeof value['studyId'] !== 'string') return null;
  return { studyId: value['studyId'], selectedTrial: isCount(value['selectedTrial']) ? value['selectedTrial'] : null };
}

function decodeCommand(value: unknown): StudyCommand | null {
  if (!isRecord(value)) return null;
  switch (value['type']) {
    case 'pause':
    case 'resume':
    case 'stop':
    case 'delete':
      return { type: value['type'] };
    case 'scale':
      return isCount(value['parallel']) && value['parallel'] > 0 ? { type: 'scale', parallel: value['parallel'] } : null;
    case 'retry':
      return isCount(value['number']) ? { type: 'retry', number: value['number'] } : null;
    case 'stopTrial':
      return isCount(value['trial']) ? { type: 'stopTrial', trial: value['trial'] } : null;
    default:
      return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
