import { expect, it } from 'vitest';
import { findStudy } from '../../../agent/cli/findStudy.ts';
import type { StudySummary } from '../../../agent/protocol/requests.ts';

const studies = ['train-a1', 'train-a2', 'train-a', 'other-b1'].map((studyId) => ({ studyId }) as StudySummary); // only the id is looked at

it.each([
  ['train-a1', 'train-a1'],
  ['train-a', 'train-a'],
  ['o', 'other-b1'],
])('%s finds %s', (text, studyId) => expect(findStudy(studies, text).studyId).toBe(studyId));

it.each([
  ['train', { code: 'HPO-4022', exitCode: 2, message: '"train" fits several studies: train-a1, train-a2, train-a' }],
  ['nothing', { code: 'HPO-4004', exitCode: 3, message: 'there is no study "nothing"' }],
])('%s is not one study', (text, error) => expect(() => findStudy(studies, text)).toThrow(expect.objectContaining(error)));
