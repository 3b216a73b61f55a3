import { describe, expect, it } from 'vitest';
import { type PodFrame, PodLogReader } from '../../../../agent/executors/kubernetes/podLog.ts';

const nonce = '11f0-uid';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const line = (text: string): string => `\u001Ehpo ${nonce} ${text}\n`;
const piece = (stream: string, offset: number, text: string): string =>
  `${line(`bytes ${offset} ${bytes(text).length} ${stream}`)}${text}\n`;
const end = '{"out":3,"metrics":0,"kills":1,"shim":0,"exit":{"code":3,"timeout":false,"told":true,"output":3}}';

function read(log: Uint8Array, size: number): string[] {
  const found: string[] = [];
  const reader = new PodLogReader(nonce, (frame) => found.push(told(frame)));
  for (let at = 0; at < log.length; at += size) reader.push(log.subarray(at, at + size));
  return found;
}

function told(frame: PodFrame): string {
  switch (frame.type) {
    case 'bytes':
      return `${frame.stream}@${frame.offset} ${new TextDecoder().decode(frame.bytes)}`;
    case 'fault':
      return `fault ${frame.reason}`;
    case 'end':
      return `end ${JSON.stringify(frame.end)}`;
    default:
      return frame.type;
  }
}

describe('a pod’s log', () => {
  const cases: { name: string; log: string; frames: readonly string[] }[] = [
    { name: 'nothing', log: '', frames: [] },
    { name: 'the beginning, and a sign of life', log: line('begin') + line('alive'), frames: ['begin', 'alive'] },
    { name: 'bytes of each file', log: piece('out', 0, 'ab') + piece('metrics', 7, 'ü'), frames: ['out@0 ab', 'metrics@7 ü'] },
    { name: 'a file whose name has blanks', log: piece('work/a b.csv', 1, 'x'), frames: ['work/a b.csv@1 x'] },
    { name: 'ends of lines in bytes', log: piece('out', 0, '\n\n\r\n'), frames: ['out@0 \n\n\r\n'] },
    { name: 'bytes that look like ours', log: piece('out', 0, line('begin')), frames: [`out@0 ${line('begin')}`] },
    {
      name: 'what others wrote before and between',
      log: `oh\n${piece('out', 0, 'a')}ouch ${piece('out', 1, 'b')}`,
      frames: ['out@0 a', 'out@1 b'],
    },
    { name: 'a log that begins in the middle of a piece', log: `half\n${piece('out', 9, 'b')}`, frames: ['out@9 b'] },
    {
      name: 'a piece that breaks off before another',
      log: line('bytes 0 9 out') + `abc${piece('out', 9, 'd')}`,
      frames: ['out@9 d'],
    },
    { name: 'a file that is none of an attempt', log: piece('../x', 0, 'a') + line('begin'), frames: ['begin'] },
    { name: 'marks of another pod', log: line('begin').replace(nonce, 'other'), frames: [] },
    { name: 'a fault', log: line('fault the code could not be copied'), frames: ['fault the code could not be copied'] },
    { name: 'the end', log: line(`end ${end}`), frames: [`end ${end}`] },
    { name: 'an end that is no JSON', log: line('end {"exit":') + line('alive'), frames: ['alive'] },
  ];
  it.each(cases)('has $name', ({ log, frames }) => {
    for (const size of [1, 2, 3, 7, 64, 4096]) expect(read(bytes(log), size), `in pieces of ${size}`).toEqual(frames);
  });

  it('keeps every byte', () => {
    const all = Uint8Array.from({ length: 512 }, (_, i) => i % 256);
    const log = Buffer.concat([bytes(line('bytes 5 512 out')), all, bytes('\n')]);
    const found: Uint8Array[] = [];
    const reader = new PodLogReader(nonce, (frame) => frame.type === 'bytes' && found.push(frame.bytes));
    for (const byte of log) reader.push(Uint8Array.of(byte));
    expect(found.map((part) => Buffer.from(part).toString('hex'))).toEqual([Buffer.from(all).toString('hex')]);
  });
});
