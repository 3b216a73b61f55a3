import { expect, it } from 'vitest';
import { askQuestions } from '../../../agent/cli/questions.ts';
import type { Preflight, PreflightQuestion, TuneRequest } from '../../../agent/protocol/requests.ts';

const engine = { type: 'engine', code: 'HPO-2402', message: 'Docker does not run', next: 'start it' } as const;
const devcontainer = { type: 'devcontainer', message: 'Use .devcontainer/devcontainer.json?' } as const;
const credentials = { type: 'credentials', message: 'It asks for the Secret a', words: ['a', 's3://b'] } as const;
const size = { type: 'size', bytes: 2e8, message: 'The code is 200 MB. Store it?' } as const;
const objective = { type: 'objective', candidates: [{ metric: 'loss', direction: 'min' }] } as const;

it.each<[readonly PreflightQuestion[], string, Partial<TuneRequest>, RegExp | null]>([
  [[], 'y', {}, null],
  [
    [engine],
    'y',
    { executor: 'local' },
    /^Docker does not run\. Run the trials as processes of this machine instead\? \[y\/N\] $/,
  ],
  [[engine], '', {}, /Docker/],
  [[engine, objective], 'n', {}, /Docker/],
  [[devcontainer, size], 'yes', { image: 'devcontainer' }, /^Use \.devcontainer/],
  [[devcontainer, size], 'no', { image: 'auto' }, /devcontainer/],
  [[credentials, size], 'y', { allow: ['a', 's3://b'] }, /^It asks for the Secret a\. Allow it\? \[y\/N\] $/],
  [[credentials, size], '', {}, /Secret/],
  [[size], 'Y', { allowLarge: true }, /200 MB/],
  [
    [objective],
    '',
    { objective: { metric: 'loss', direction: 'min' } },
    /^Improve loss, smaller or larger is better: min\? \[Y\/n\] $/,
  ],
  [[objective], 'n', {}, /Improve/],
  [[{ type: 'environment', message: 'lacks torch' }, size], 'y', { allowLarge: true }, /200 MB/],
  [[{ type: 'environment', message: 'lacks torch' }], 'y', {}, null],
])('%j, answered "%s": %j', async (questions, typed, answers, asked) => {
  const seen: string[] = [];
  // Nothing else of a preflight is looked at.
  const preflight = { questions } as Preflight;
  const given = await askQuestions(preflight, (question) => {
    seen.push(question);
    return Promise.resolve(typed);
  });
  expect(given).toEqual(answers);
  expect(seen).toEqual(asked === null ? [] : [expect.stringMatching(asked)]);
});
