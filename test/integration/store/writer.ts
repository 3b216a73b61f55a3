/**
 * A process that writes a journal; what is on the disk is said on stdout, one line each.
 * usage: writer.ts JOURNAL GROUP [COUNT]: appends trials in groups of GROUP events, without end or COUNT events.
 * A failed append is said as `failed CODE`, and tried again after a moment.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HpoError } from '../../../agent/protocol/errors.ts';
import { openJournal } from '../../../agent/store/journal.ts';
import { of, studyCreated, wholeTrial } from '../../unit/store/studies.ts';

const [path = '', groupSize = '1', count = 'Infinity'] = process.argv.slice(2);
try {
  using journal = openJournal(path);
  const studyId = `s${journal.epoch}`;
  journal.append(of(studyId, [studyCreated()]));
  say(`opened ${journal.epoch}`);
  let pending = of(studyId, []);
  for (let number = 0, written = 0; written < Number(count); ) {
    while (pending.length < Number(groupSize)) pending = [...pending, ...of(studyId, wholeTrial(number++))];
    try {
      const entries = journal.append(pending.slice(0, Number(groupSize)));
      pending = pending.slice(Number(groupSize));
      written += entries.length;
      say(`on disk ${entries.at(-1)?.seq}`);
      // The checkpoints of the journal's own need the event loop.
      if (written % 50 < Number(groupSize)) await sleep(0);
    } catch (error) {
      if (!(error instanceof HpoError)) throw error;
      say(`failed ${error.code}`);
      await sleep(50);
    }
  }
  say('done');
} catch (error) {
  if (!(error instanceof HpoError)) throw error;
  say(`refused ${error.code} ${error.message}`);
  process.exitCode = 1;
}

/** Straight to the pipe, so that a line that was said was said before the kill. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
