import { homedir } from 'node:os';

/**
 * The user's home folder. Node, and libraries as they are loaded, fail to find one for a user without an entry among the accounts, as
 * containers and clusters have them, unless HOME says it: what is imported after this finds `/`, as shells take then.
 */
export const userHome: string = ensureHome();

function ensureHome(): string {
  try {
    return homedir();
  } catch {
    process.env['HOME'] = '/';
    return homedir();
  }
}
