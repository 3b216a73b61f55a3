import { expect, it } from 'vitest';
import { endRecord } from '../../../../agent/executors/kubernetes/endRecord.ts';

type Known = Parameters<typeof endRecord>[0];

const seen = { exitCode: null, isOutOfMemory: false, isTimeout: false, disruption: null, fault: null, brokenLimit: null };
const exit = (code: number, more: object = {}): Known['end'] => ({
  out: 5,
  metrics: 0,
  kills: 0,
  shim: 0,
  exit: { code, timeout: false, told: false, output: 5, ...more },
});
const lost = { code: null, timeout: false, output: 5 };

const cases: { name: string; known: Partial<Known>; record: object }[] = [
  { name: 'an exit code', known: { end: exit(3) }, record: { code: 3, timeout: false, output: 5 } },
  {
    name: 'a deadline',
    known: { end: exit(143, { timeout: true, told: true }) },
    record: { code: 143, timeout: true, output: 5 },
  },
  {
    name: 'our own stop',
    known: { end: exit(143, { told: true }), isStopped: true },
    record: { code: 143, timeout: false, output: 5 },
  },
  {
    name: 'somebody else’s stop, whatever the program did then',
    known: { end: exit(0, { told: true }), seen: { ...seen, disruption: 'its node is drained' } },
    record: { ...lost, preempted: true, detail: 'its node is drained' },
  },
  {
    name: 'an end of its own just before somebody deleted it',
    known: { end: exit(0), seen: { ...seen, disruption: 'its pod was deleted' } },
    record: { code: 0, timeout: false, output: 5 },
  },
  {
    name: 'a kill for want of memory of a part of it',
    known: { end: { ...exit(1), kills: 1 } as Known['end'] },
    record: { code: 1, timeout: false, output: 5, outOfMemory: true },
  },
  {
    name: 'a kill for want of memory that it survived',
    known: { end: { ...exit(0), kills: 1 } as Known['end'] },
    record: { code: 0, timeout: false, output: 5 },
  },
  {
    name: 'a kill of all of it for want of memory, also on a node that is being drained',
    known: { seen: { ...seen, isOutOfMemory: true, exitCode: 137, disruption: 'its node is drained' } },
    record: { code: 137, timeout: false, outOfMemory: true, output: 5 },
  },
  {
    name: 'the cluster’s own deadline',
    known: { seen: { ...seen, isTimeout: true } },
    record: { code: 137, timeout: true, output: 5 },
  },
  {
    name: 'a stop before it began',
    known: { isStopped: true, hasBegun: false },
    record: { code: 143, timeout: false, output: 5 },
  },
  {
    name: 'a stop that it did not heed',
    known: { isStopped: true, seen: { ...seen, exitCode: 137 } },
    record: { code: 137, timeout: false, output: 5 },
  },
  {
    name: 'a lost node',
    known: { seen: { ...seen, disruption: 'its node is lost' } },
    record: { ...lost, preempted: true, detail: 'its node is lost' },
  },
  {
    name: 'its node, as it broke a limit of its own, which is no preemption',
    known: { end: exit(143, { told: true }), seen: { ...seen, brokenLimit: 'it wrote more than 1Gi into /tmp' } },
    record: { code: 137, timeout: false, output: 5, detail: 'it wrote more than 1Gi into /tmp' },
  },
  {
    name: 'its node, as it broke a limit of its own, before anything was recorded',
    known: { seen: { ...seen, exitCode: 137, brokenLimit: 'it wrote more than 1Gi into /tmp' } },
    record: { code: 137, timeout: false, output: 5, detail: 'it wrote more than 1Gi into /tmp' },
  },
  { name: 'a fault before its program', known: { fault: 'no room', hasBegun: false }, record: { ...lost, detail: 'no room' } },
  {
    name: 'a record that the program wrote itself',
    known: { end: { ...exit(0), exit: { code: '0' } } as Known['end'], seen: { ...seen, exitCode: 1 } },
    record: { ...lost, detail: 'its container ended with exit code 1, and without a record of the end' },
  },
];

it.each(cases)('an attempt ended by $name', ({ known, record }) => {
  expect(endRecord({ end: null, fault: null, seen, isStopped: false, hasBegun: true, output: 5, ...known })).toEqual(record);
});
