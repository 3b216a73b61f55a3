import { expect, it, test } from 'vitest';
import { sameEngine } from '../../../agent/cli/sameEngine.ts';

const [a, b] = ['unix:///a.sock', 'unix:///b.sock'];
const none = { dockerHost: null, dockerHostVariable: null };

test.each([
  ['none anywhere', none, {}],
  ['empty ones', none, { DOCKER_HOST: '', HPO_DOCKER_HOST: '' }],
  ['the same', { ...none, dockerHostVariable: a }, { DOCKER_HOST: a }],
  [
    'the same by the name of its own, which wins',
    { dockerHost: a, dockerHostVariable: b },
    { HPO_DOCKER_HOST: a, DOCKER_HOST: b },
  ],
  ['the same by different names', { ...none, dockerHost: a }, { DOCKER_HOST: a }],
])('nothing is said of the engine: %s', (_what, agent, env) => {
  expect(sameEngine(agent, env)).toBeNull();
});

test.each([
  [{ ...none, dockerHostVariable: a }, { DOCKER_HOST: b }, 'DOCKER_HOST', a],
  [none, { DOCKER_HOST: b }, 'DOCKER_HOST', 'that it found'],
  [{ ...none, dockerHost: a }, { HPO_DOCKER_HOST: b, DOCKER_HOST: a }, 'HPO_DOCKER_HOST', a],
])('an agent of %j does not take %j for it', (agent, env, name, used) => {
  expect(() => sameEngine(agent, env)).toThrow(
    expect.objectContaining({
      code: 'HPO-2410',
      exitCode: 4,
      message: expect.stringMatching(new RegExp(`^${name} names ${b}, .*${used}$`)),
      next: expect.stringContaining('hpo agent stop'),
    }),
  );
});

it('says which one it is where the caller names none', () => {
  const said = sameEngine({ ...none, dockerHostVariable: a }, {});
  expect(said).toMatch(/uses the container engine at unix:\/\/\/a\.sock, and this shell names none; .*hpo agent stop/);
  expect(said).not.toContain('\n');
});
