/**
 * Takes what is secret in the values of build secrets out of text: passwords in addresses, values after words such as
 * `password` and `token`, and a value that is nothing but one line. Certificates and addresses stay readable.
 */
export function redactor(secrets: Readonly<Record<string, Uint8Array>>): (text: string) => string {
  const parts = new Set<string>();
  for (const value of Object.values(secrets)) {
    const text = Buffer.from(value).toString();
    for (const part of secretParts(text)) if (part.length >= minLength) parts.add(part);
  }
  const longestFirst = [...parts].sort((a, b) => b.length - a.length);
  return (text) =>
    longestFirst
      .reduce((result, part) => result.replaceAll(part, '***'), text)
      .replaceAll(userInfo, (_all, scheme: string) => `${scheme}***@`);
}

/** Shorter ones would be found in words that mean nothing. */
const minLength = 4;
const userInfo = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]+@/gi;

function* secretParts(text: string): Generator<string> {
  const trimmed = text.trim();
  if (trimmed !== '' && !trimmed.includes('\n') && !/^https?:\/\/[^@]*$/.test(trimmed)) yield trimmed;
  for (const [, user = ''] of text.matchAll(/\b[a-z][a-z0-9+.-]*:\/\/([^\s/@'"]+)@/gi)) {
    yield user;
    yield* user.split(':').slice(1).map(decoded);
    yield* user.split(':').slice(1);
  }
  for (const [, value = ''] of text.matchAll(
    /(?:passw(?:or)?d|token|secret|_auth|api[_-]?key)\w*["']?(?:\s*[=:]\s*|\s+)["']?([^\s"']+)/gi,
  ))
    yield value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
