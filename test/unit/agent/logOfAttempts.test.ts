import { expect, it } from 'vitest';
import { AgentService } from '../../../agent/service.ts';
import { scene } from '../../support/views.ts';

/** A trial whose first attempt has ended, and whose second one runs. */
function serve(): AgentService {
  const view = scene('running');
  const [trial] = view.trials;
  const attempt = trial?.attempts[0];
  if (trial === undefined || attempt === undefined) throw new RangeError('the scene has no attempt');
  const attempts = [
    { ...attempt, attempt: 1, state: 'ended' as const },
    { ...attempt, attempt: 2, state: 'started' as const },
  ];
  const running = { ...view, trials: [{ ...trial, state: 'running' as const, endedAt: null, attempts }] };
  const read = ({ attempt: number }: { attempt: number }, _stream: string, offset: number): Promise<Uint8Array> =>
    Promise.resolve(new TextEncoder().encode(`attempt ${number}\n`).subarray(offset));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked for a log
  return new AgentService({ driver: { view: () => running }, output: { read } } as unknown as ConstructorParameters<
    typeof AgentService
  >[0]);
}

const context = { signal: new AbortController().signal, progress: () => {} };

it.each([
  // Of one that has ended nothing more comes, whatever the trial does; after the latest another one may follow.
  [1, 'attempt 1\n', true],
  [2, 'attempt 2\n', false],
  [undefined, 'attempt 2\n', false],
])('the log of attempt %s is read, and ends where that has ended', async (attempt, text, isOver) => {
  const asked = { studyId: 's', trial: 0, ...(attempt === undefined ? {} : { attempt }) };
  const service = serve();
  const page = await service.handle('trial/log', { ...asked, offset: 0 }, context);
  expect(page).toEqual({ text, nextOffset: 10, ended: false });
  expect(await service.handle('trial/log', { ...asked, offset: page.nextOffset }, context)).toMatchObject({
    text: '',
    ended: isOver,
  });
});

it('an attempt that is not there is said not to be', async () => {
  await expect(serve().handle('trial/log', { studyId: 's', trial: 0, attempt: 3, offset: 0 }, context)).rejects.toMatchObject({
    code: 'HPO-4006',
  });
});
