import { describe, expect, it } from 'vitest';
import { findByFullId, findStudy } from '../../../agent/cli/findStudy.ts';

const studies = ['train-a1', 'train-a2', 'train-a', 'other-b1'].map((studyId) => ({ studyId }));
const onlyOne = { studyId: 'other-b1' };

const empty = { code: 'HPO-4035', exitCode: 2, message: 'the name of the study is empty' };
const unknown = (text: string) => ({ code: 'HPO-4004', exitCode: 3, message: `there is no study "${text}"` });

describe('a study that is looked at', () => {
  it.each([
    ['train-a1', 'train-a1'],
    ['train-a', 'train-a'],
    ['o', 'other-b1'],
  ])('%s finds %s', (text, studyId) => expect(findStudy(studies, text).studyId).toBe(studyId));

  it.each([
    ['train', { code: 'HPO-4022', exitCode: 2, message: '"train" fits several studies: train-a1, train-a2, train-a' }],
    ['nothing', unknown('nothing')],
    // In the middle or at the end of a name is not its beginning.
    ['b1', unknown('b1')],
    ['ther', unknown('ther')],
    ['other-b10', unknown('other-b10')],
    ['', empty],
  ])('%j is not one study', (text, error) => expect(() => findStudy(studies, text)).toThrow(expect.objectContaining(error)));

  it('no name is none, also where there is one study only', () => {
    expect(() => findStudy([onlyOne], '')).toThrow(expect.objectContaining(empty));
  });
});

describe('a study that is deleted', () => {
  it.each(['train-a1', 'train-a', 'other-b1'])('%s is found by its full name', (text) =>
    expect(findByFullId(studies, text).studyId).toBe(text),
  );

  it.each([
    ['', empty],
    ['o', { ...unknown('o'), next: 'write the full name, such as other-b1; list them with: hpo status' }],
    ['other-b', unknown('other-b')],
    ['train', unknown('train')],
    ['b1', { ...unknown('b1'), next: 'write the full name; list them with: hpo status' }],
    ['other-b10', unknown('other-b10')],
  ])('%j is none', (text, error) => {
    for (const known of [studies, [onlyOne]]) expect(() => findByFullId(known, text)).toThrow(expect.objectContaining(error));
  });
});
