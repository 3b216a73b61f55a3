/** Tells what was drawn by a machine from what people write: words, names, versions, places to be filled in. */

/** Bits for each character, by how often each occurs in the text itself (Shannon). */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Examples of manuals, and what stands in place of a secret. */
export function isPlaceholder(text: string): boolean {
  return (
    /example|placeholder|change[-_]?me|redacted|dummy|your[-_]|insert|replace|todo|\*\*\*|\.\.\.|<[\w -]*>|\$\{|\$\(|\{\{|%\(|^\$\w|^%\w+%$|^\{\w*\}$/i.test(
      text,
    ) || withoutRuns(text).length < Math.min(8, text.length / 2)
  );
}

/** A token of a known form; the examples of manuals repeat characters or count. */
export function isRandomToken(text: string): boolean {
  return !isPlaceholder(text) && entropy(withoutRuns(text)) >= 2.75;
}

/** What stands beside the name of a key or a token: long, of letters and digits, and no name of something. */
export function isRandomKey(text: string): boolean {
  if (!/^[\w+/=.~:%-]{16,}$/.test(text) || !/[A-Za-z]/.test(text) || !(/\d/.test(text) || isMixed(text))) return false;
  return !isPlaceholder(text) && !isWordy(text) && entropy(text) >= (/^[0-9a-f-]+$/i.test(text) ? 2.8 : 3.3);
}

/** What stands beside the name of a password: shorter, with a digit, a sign or capitals as words do not have them. */
export function isRandomPassword(text: string): boolean {
  if (!/^[\x21-\x7e]{8,}$/.test(text) || !/[A-Za-z]/.test(text)) return false;
  if (!/[\d!#$%&*+=?@^~]/.test(text) && !isMixed(text)) return false;
  return !isPlaceholder(text) && !isWordy(text) && entropy(text) >= 2.75;
}

/** Without characters that repeat or count on from the one before: `1234`, `abcd`, `xxxx`. */
function withoutRuns(text: string): string {
  let kept = '';
  for (let index = 0; index < text.length; index++) {
    const step = text.charCodeAt(index) - text.charCodeAt(index - 1);
    if (step !== 0 && step !== 1) kept += text[index] ?? '';
  }
  return kept;
}

function isMixed(text: string): boolean {
  return (text.match(/[a-z][A-Z]/g)?.length ?? 0) >= 3;
}

/** `prod-db-credentials-v2`, `llama-2-7b`, `settings.DB_PASSWORD`, `/run/secrets/db_password`, `get_token()`, `hunter22`. */
function isWordy(text: string): boolean {
  if (/^(?:[~.]{0,2}\/|[A-Za-z]:\\|[a-z][a-z0-9+.-]*:\/\/)/.test(text) || /[()[\]<>]/.test(text)) return true;
  // All small, all capital, capitals between as in names of classes, a version, a word with a number.
  const word =
    /^(?:[a-z]*|[A-Z]+|(?:[a-z]{2,})?(?:[A-Z]{1,4}[a-z]+)+V?\d{0,2}|[vV]?\d{1,4}[a-z]?|(?:[A-Z]?[a-z]{2,}|[A-Z]{2,})\d{1,4})$/;
  return text.split(/[-_./:@\\]+/).every((part) => word.test(part));
}
