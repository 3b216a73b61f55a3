import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failpointsOf, noFailpoints, parseFaults, ProcessFailpoints } from '../../../agent/system/failpoints.ts';

const points = (text: string): ProcessFailpoints => new ProcessFailpoints(parseFaults(text));

describe('failpoints', () => {
  it.each([
    ['journal.append.after=kill@3', [{ name: 'journal.append', when: 'after', action: 'kill', at: 3, isLasting: false }]],
    [
      'attempt.spawn.before=error, turn.tell.after=full@2+',
      [
        { name: 'attempt.spawn', when: 'before', action: 'error', at: 1, isLasting: false },
        { name: 'turn.tell', when: 'after', action: 'full', at: 2, isLasting: true },
      ],
    ],
  ])('reads %s', (text, faults) => expect(parseFaults(text)).toEqual(faults));

  it.each(['', 'journal.append=kill', 'nowhere.before=kill', 'journal.append.before=burn', 'journal.append.before=kill@0'])(
    'refuses "%s" and names what there is',
    (text) => {
      expect(() => parseFaults(text)).toThrow(
        expect.objectContaining({ code: 'HPO-5015', next: expect.stringMatching(/journal\.append.*kill/) }),
      );
    },
  );

  it.each([
    ['journal.append.before=error@2', 'EIO', [1]],
    ['journal.append.after=error@2', 'EIO', [1, 2]],
    ['journal.append.before=full@2', 'ENOSPC', [1]],
    ['journal.append.after=full@2', 'ENOSPC', [1, 2]],
  ])('%s fails the second step with %s, and only that one', async (text, code, done) => {
    const failpoints = points(text);
    const seen: number[] = [];
    failpoints.step('journal.append', () => seen.push(1));
    expect(() => failpoints.step('journal.append', () => seen.push(2))).toThrow(expect.objectContaining({ code }));
    expect(seen).toEqual(done);
    expect(failpoints.step('journal.append', () => 'goes on')).toBe('goes on');
    expect(failpoints.step('turn.tell', () => 'another place')).toBe('another place');
    const asynchronous = points(text.replace('@2', ''));
    const step = async (): Promise<string> => await asynchronous.step('journal.append', () => Promise.resolve('done'));
    await expect(step()).rejects.toMatchObject({ code });
    expect(failpoints.passed).toEqual({ 'journal.append': 3, 'turn.tell': 1 });
  });

  it('writes a part, and then says that the disk is full', () => {
    const failpoints = points('agent.discovery.before=short');
    const written: string[] = [];
    const write = (): number => written.push(failpoints.written('agent.discovery', '12345678'));
    expect(() => failpoints.step('agent.discovery', write)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    failpoints.step('agent.discovery', write);
    expect(written).toEqual(['1234', '12345678']);
  });

  it.each(['before', 'after'])('kills its own process %s the step', (when) => {
    const file = join(import.meta.dirname, '../../../agent/system/failpoints.ts');
    const text = `import { failpointsOf } from ${JSON.stringify(file)};
      failpointsOf('turn.tell.${when}=kill').step('turn.tell', () => process.stdout.write('done'));
      process.stdout.write(' alive');`;
    const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', text], { encoding: 'utf8' });
    expect([signal, stdout]).toEqual(['SIGKILL', when === 'before' ? '' : 'done']);
  });

  it('are none where none are asked for', () => {
    expect(failpointsOf(undefined)).toBe(noFailpoints);
    expect(failpointsOf('')).toBe(noFailpoints);
    expect(failpointsOf('turn.tell.after=kill')).toBeInstanceOf(ProcessFailpoints);
  });
});
