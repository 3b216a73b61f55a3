import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from '../space/canonical.ts';
import type { StudyState } from './state.ts';

/**
 * SHA-256 (64 hexadecimal digits) of all that is known of a study: of its view, and of what its decisions need besides. The same
 * events give the same hash, folded at once or one by one, on any machine.
 *
 * Hashed is `canonicalJson`, field by field, trial by trial. The state holds numbers of the journal, and sums, differences, products
 * and quotients of them, which IEEE 754 defines to the last bit. What follows from them by logarithms and powers (places in the unit
 * cube, models) is left out, as the last bits of those are each machine's own; it is computed from the rest when it is needed.
 * No text of the state depends on a language or a time zone.
 */
export function stateHash(state: StudyState): string {
  const hash = sha256.create();
  const add = (text: string): unknown => hash.update(utf8ToBytes(`${text}\n`));
  const { view, history, ...others } = state;
  const { trials, ...study } = view;
  add(canonicalJson(study));
  for (const trial of trials) add(canonicalJson(trial));
  add('history');
  for (let row = 0; row < history.size; row++) add(canonicalJson(history.at(row)));
  for (const [name, value] of Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1))) add(`${name} ${canonicalJson(value)}`);
  return bytesToHex(hash.digest());
}
