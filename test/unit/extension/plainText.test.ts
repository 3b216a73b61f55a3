import { expect, it } from 'vitest';
import { labelText, messageText } from '../../../extension/plainText.ts';
import { hostilePayloads } from '../../support/hostilePayloads.ts';

/** How VS Code finds links in a notification (`parseLinkedText`), and icons in a label. */
const link = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/gi;
const icon = /(\\)?\$\(([A-Za-z0-9-]+(?:~[A-Za-z]+)?)\)/g;

it('leaves no link that VS Code would follow', () => {
  const text = 'ValueError: [see why](command:workbench.action.terminal.new) or [here](https://elsewhere.invalid "x")';
  expect(text.match(link)).toHaveLength(2);
  expect(messageText(text).match(link)).toBeNull();
  expect(messageText(text).replaceAll('\u2060', '')).toBe(text);
  expect(hostilePayloads.some((payload) => payload.match(link) !== null)).toBe(true);
  for (const payload of hostilePayloads) expect(messageText(payload).match(link)).toBeNull();
});

it('leaves no icon, and no second line', () => {
  expect(labelText('$(trash) $(sync~spin) $(HOME) ${x}\nsecond')).toBe('\\$(trash) \\$(sync~spin) \\$(HOME) ${x} second');
  for (const payload of hostilePayloads) {
    for (const [, escaped] of labelText(payload).matchAll(icon)) expect(escaped).toBe('\\');
    expect(labelText(payload)).not.toContain('\n');
  }
});
