import { printable, printableLine } from '../agent/protocol/printable.ts';

/** Text of scripts and programs in a notification or a question, where `[words](command:…)` would be a link that runs a command. */
export function messageText(text: string): string {
  // A word joiner, which is not seen, between the two brackets.
  return printable(text).replaceAll('](', ']\u2060(');
}

/** The same in a list, a lens or the status bar, where `$(name)` would be an icon. */
export function labelText(text: string): string {
  return printableLine(text).replaceAll(/\$\((?=[A-Za-z0-9~-]+\))/g, '\\$(');
}
