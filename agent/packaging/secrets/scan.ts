import { assignmentAt, namePrefixes } from './assignments.ts';
import { isPlaceholder, isRandomKey, isRandomToken } from './likeness.ts';
import { type TokenRule, tokenRules } from './tokens.ts';

/** Something in a file that looks like a secret. Nothing of the secret itself is in it. */
export interface FoundSecret {
  /** From 1. */
  readonly line: number;
  /** With its article: `a GitHub token`. */
  readonly what: string;
  /** What people may see of it: `ghp_… (40 characters)`. */
  readonly masked: string;
}

/** On the line of something that only looks like a secret, or on a line of its own above it: it is stored as it is. */
export const allowMark = 'hpo-allow-secret';

/** A file with more of them is no accident: the rest need not be counted. */
const maxFound = 20;
/** Looked at in one go; then others of this process have their turn. */
const pieceBytes = 1024 * 1024;
/** Nothing that is looked for is longer, so that what lies over the end of a piece is found in it. */
const overlapBytes = 8 * 1024;

/**
 * What looks like a secret in a file, in order of lines. Text is searched for tokens of known forms, private keys, addresses with
 * passwords, names of secrets with values drawn at random, and all that within base64; other files for tokens and private keys.
 * `path` tells code, where a value is in quotes, from settings, where it need not be.
 */
export async function scanSecrets(path: string, content: Uint8Array): Promise<readonly FoundSecret[]> {
  const bytes = decodeWide(content);
  const isText = !bytes.subarray(0, 8192).includes(0);
  const found = new Map<number, Omit<FoundSecret, 'line'>>();
  for (let start = 0; start < bytes.length && found.size < maxFound; start += pieceBytes) {
    if (start > 0) await new Promise(setImmediate);
    const piece = bytes.subarray(start, start + pieceBytes + overlapBytes);
    for (const { at, ...secret } of search(piece, { isText, isCode: isCode(path), depth: 0 }))
      if (found.size < maxFound && !isAllowed(bytes, start + at)) found.set(start + at, secret);
  }
  let line = 1;
  let counted = 0;
  const byLine = new Map<number, FoundSecret>();
  for (const [at, secret] of [...found].sort(([a], [b]) => a - b)) {
    for (; counted < at; counted++) if (bytes[counted] === newline) line++;
    // The name beside a token says less than its form.
    if ((byLine.get(line)?.what ?? named) === named) byLine.set(line, { line, ...secret });
  }
  return [...byLine.values()];
}

interface Place {
  /** Offset in what was searched. */
  readonly at: number;
  readonly what: string;
  readonly masked: string;
}

interface Search {
  readonly isText: boolean;
  readonly isCode: boolean;
  /** How often what is searched was decoded. */
  readonly depth: number;
}

const newline = 10;
const named = 'a password, key or token';

/** Letters alike in upper and lower case, digits and signs somehow: three characters in 15 bits. */
const hashMask = 0x7fff;
const tokenBit = 1;
const nameBit = 2;
const otherBit = 4;
const starts = new Uint8Array(hashMask + 1);
const tokensByStart = new Map<string, TokenRule[]>();

/** What else is looked for, by three characters of it. */
const others: readonly { readonly start: string; readonly find: (text: string, at: number, depth: number) => Place | null }[] = [
  { start: '-----BEGIN ', find: privateKeyAt },
  { start: '://', find: addressAt },
  { start: 'Basic ', find: basicAt },
  { start: 'basic ', find: basicAt },
  { start: 'Bearer ', find: bearerAt },
  { start: 'bearer ', find: bearerAt },
  { start: '"auth"', find: dockerLoginAt },
  { start: 'client-key-data', find: clientKeyAt },
  // How base64 begins of: -----BEGIN, apiVersion, clusters, current-context, kind, { and a quote, [default], [global], //registry, machine.
  ...[
    'LS0tLS1CRUdJTi',
    'YXBpVmVyc2lvb',
    'Y2x1c3RlcnM',
    'Y3VycmVudC1j',
    'a2luZDog',
    'eyJ',
    'eyAi',
    'ewog',
    'ewoJ',
    'W2RlZmF1',
    'W2dsb2Jhb',
    'Ly9',
    'bWFjaGluZ',
  ].map((start) => ({ start, find: encodedAt })),
];

for (const rule of tokenRules) {
  const start = rule.prefix.slice(0, 3);
  starts[hashOf(start)] = (starts[hashOf(start)] ?? 0) | tokenBit;
  tokensByStart.set(start, [...(tokensByStart.get(start) ?? []), rule]);
}
for (const start of namePrefixes) starts[hashOf(start)] = (starts[hashOf(start)] ?? 0) | nameBit;
for (const { start } of others) starts[hashOf(start)] = (starts[hashOf(start)] ?? 0) | otherBit;

function hashOf(start: string): number {
  return (((start.charCodeAt(0) & 31) << 10) | ((start.charCodeAt(1) & 31) << 5) | (start.charCodeAt(2) & 31)) & hashMask;
}

/** One pass over the bytes; only where three of them can begin something is more looked at. */
function* search(bytes: Uint8Array, { isText, isCode: isInCode, depth }: Search): Generator<Place> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const wanted = isText ? tokenBit | nameBit | otherBit : tokenBit | otherBit;
  let hash = 0;
  for (let index = 0; index < bytes.length; index++) {
    hash = ((hash << 5) | ((bytes[index] ?? 0) & 31)) & hashMask;
    const bits = (starts[hash] ?? 0) & wanted;
    if (bits === 0 || index < 2) continue;
    const at = index - 2;
    const place =
      ((bits & tokenBit) === 0 ? null : tokenAt(text, at)) ??
      ((bits & otherBit) === 0 ? null : otherAt(text, at, isText, depth)) ??
      ((bits & nameBit) === 0 ? null : namedAt(text, at, isInCode));
    if (place !== null) yield place;
  }
}

function tokenAt(text: string, at: number): Place | null {
  if (isLetterOrDigit(text.charCodeAt(at - 1))) return null;
  for (const { what, prefix, pattern } of tokensByStart.get(text.slice(at, at + 3)) ?? []) {
    if (!text.startsWith(prefix, at)) continue;
    pattern.lastIndex = at;
    const token = pattern.exec(text)?.[0];
    if (token !== undefined && isRandomToken(token.slice(prefix.length))) return { at, what, masked: mask(prefix, token.length) };
  }
  return null;
}

function namedAt(text: string, at: number, isInCode: boolean): Place | null {
  const found = assignmentAt(text, at, isInCode);
  return found === null ? null : { at, what: named, masked: `${found.name} = ${mask('', found.value.length)}` };
}

function otherAt(text: string, at: number, isText: boolean, depth: number): Place | null {
  for (const { start, find } of others) {
    if (!text.startsWith(start, at) || (!isText && find !== privateKeyAt)) continue;
    const place = find(text, at, depth);
    if (place !== null) return place;
  }
  return null;
}

/** The words alone are no key: they stand in code that looks for keys, and in manuals. */
function privateKeyAt(text: string, at: number): Place | null {
  const header = /^-----BEGIN ((?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?)-----/.exec(text.slice(at, at + 80));
  if (header === null) return null;
  const lines = text
    .slice(at + header[0].length, at + header[0].length + 2000)
    .split(/\\[nr]|[\s"'`+,]+/)
    .filter((line) => line !== '');
  // Headers such as `Proc-Type: 4,ENCRYPTED` come first.
  const body = lines.find((line) => /^[A-Za-z0-9+/]{40,}={0,2}$/.test(line)) ?? '';
  return isRandomToken(body) ? { at, what: 'a private key', masked: `-----BEGIN ${header[1] ?? ''}-----…` } : null;
}

const userAndPassword = /:\/\/([^\s:/?#@"'`<>(){}[\]|\\^*]{0,200}):([^\s/?#@"'`<>(){}[\]|\\^*]{4,500})@[A-Za-z0-9[]/y;
/** What stands for a password in manuals, tests and settings of a machine's own services. */
const commonPasswords =
  /^(?:pass(?:word|wd)?|pw|pwd|secret|token|user(?:name)?|admin|root|guest|test|postgres|mysql|redis|mongo|minio\w*|rabbitmq|elastic|foo|bar|baz|api[_-]?key|x-oauth-basic|x{3,}|\$.*|%.*)$/i;

function addressAt(text: string, at: number): Place | null {
  userAndPassword.lastIndex = at;
  const found = userAndPassword.exec(text);
  if (found === null) return tokenInAddressAt(text, at);
  const [, user = '', password = ''] = found;
  if (password === user || isPlaceholder(password) || commonPasswords.test(password) || /^[A-Z_]+$/.test(password)) return null;
  const scheme = /[a-z][a-z0-9+.-]{0,20}$/i.exec(text.slice(Math.max(0, at - 21), at))?.[0] ?? '';
  return { at, what: 'an address with a password', masked: `${scheme}://…:${mask('', password.length)}@` };
}

/** A token in the place of the user, and no password or an empty one. */
function tokenInAddressAt(text: string, at: number): Place | null {
  const token = /^:\/\/([^\s:/?#@"'`<>(){}[\]|\\^*]{16,500}):?@[A-Za-z0-9[]/.exec(text.slice(at, at + 520))?.[1];
  if (token === undefined || !isRandomKey(token)) return null;
  return { at, what: 'an address with a token', masked: `://${mask('', token.length)}@` };
}

function basicAt(text: string, at: number): Place | null {
  const value = /^[Bb]asic\s+([A-Za-z0-9+/]{8,400}={0,2})(?![A-Za-z0-9+/=])/.exec(text.slice(at, at + 420))?.[1];
  return value !== undefined && isLogin(value) ? { at, what: 'a login', masked: mask('Basic ', value.length + 6) } : null;
}

function bearerAt(text: string, at: number): Place | null {
  const value = /^[Bb]earer\s+([\w.~+/-]{20,2000}=*)/.exec(text.slice(at, at + 2020))?.[1];
  return value !== undefined && /\d/.test(value) && isRandomToken(value)
    ? { at, what: 'a bearer token', masked: mask('Bearer ', value.length + 7) }
    : null;
}

function dockerLoginAt(text: string, at: number): Place | null {
  const value = /^"auth"\s*:\s*"([A-Za-z0-9+/]{8,}={0,2})"/.exec(text.slice(at, at + 2000))?.[1];
  return value !== undefined && isLogin(value)
    ? { at, what: 'a login of a container registry', masked: `"auth": ${mask('', value.length)}` }
    : null;
}

function clientKeyAt(text: string, at: number): Place | null {
  const value = /^client-key-data["']?\s*:\s*["']?([A-Za-z0-9+/]{40,})/.exec(text.slice(at, at + 200))?.[1];
  return value === undefined ? null : { at, what: 'a private key', masked: 'client-key-data: …' };
}

/** `user:password` in base64. */
function isLogin(value: string): boolean {
  const decoded = Buffer.from(value, 'base64').toString('latin1');
  const password = /^[\x21-\x39\x3b-\x7e]+:([\x20-\x7e]{4,})$/.exec(decoded)?.[1];
  return password !== undefined && !isPlaceholder(password) && !commonPasswords.test(password);
}

/** Files such as a kubeconfig are handed on in base64. */
function encodedAt(text: string, at: number, depth: number): Place | null {
  if (depth > 0 || isLetterOrDigit(text.charCodeAt(at - 1))) return null;
  const value = /^(?:[A-Za-z0-9+/]{4}(?:\\n|\r?\n {0,20})?){12,}(?:[A-Za-z0-9+/]{2,3}={0,2})?/.exec(
    text.slice(at, at + 2 * overlapBytes),
  )?.[0];
  if (value === undefined) return null;
  const decoded = Buffer.from(value.replaceAll(/\\n|\s/g, ''), 'base64');
  if (decoded.subarray(0, 200).some((byte) => byte === 0 || byte > 126)) return null;
  for (const { what, masked } of search(decoded, { isText: true, isCode: false, depth: depth + 1 }))
    return { at, what: `${what}, in base64`, masked };
  return null;
}

/** PowerShell and Excel write UTF-16, whose every other byte is zero. */
function decodeWide(content: Uint8Array): Uint8Array {
  const [first, second] = content;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : unmarked(content);
  return encoding === null ? content : Buffer.from(new TextDecoder(encoding).decode(content));
}

/** Text of the west in UTF-16 whose mark is missing: of its first bytes, every other is zero and no other is. */
function unmarked(content: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const head = content.subarray(0, 256);
  if (head.length < 16) return null;
  const isZero = (parity: number): boolean => head.every((byte, index) => (byte === 0) === (index % 2 === parity));
  return isZero(1) ? 'utf-16le' : isZero(0) ? 'utf-16be' : null;
}

/** Whether the line of the offset has the mark, or the line above is nothing but a comment with it. */
function isAllowed(bytes: Uint8Array, at: number): boolean {
  const start = lineStart(bytes, at);
  const end = bytes.indexOf(newline, at);
  if (lineText(bytes, start, end === -1 ? bytes.length : end).includes(allowMark)) return true;
  if (start === 0) return false;
  const above = lineText(bytes, lineStart(bytes, start - 1), start - 1);
  return above.includes(allowMark) && /^\s*["']?\s*(?:#|\/\/|--|%|;|\/?\*|<!--)/.test(above);
}

function lineStart(bytes: Uint8Array, at: number): number {
  return at === 0 ? 0 : bytes.lastIndexOf(newline, at - 1) + 1;
}

function lineText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.subarray(start, Math.min(end, start + 4 * overlapBytes))).toString('latin1');
}

/** Where a value that is not in quotes is the name of another. */
function isCode(path: string): boolean {
  return /\.(?:pyw?|pyi|pyx|ipynb|[cm]?[jt]sx?|vue|svelte|r|rmd|qmd|jl|c|cc|cpp|cxx|cu|h|hh|hpp|rs|go|java|kts?|rb|php|scala|swift|lua|m|cs|sql|md|rst|html?|css|tex|dart|ex|exs|hs|ml|pl|zig)$/i.test(
    path,
  );
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

function mask(shown: string, length: number): string {
  return `${shown}… (${length} characters)`;
}
