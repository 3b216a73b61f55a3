import { isRandomKey, isRandomPassword } from './likeness.ts';

/** A value beside a name that secrets have: `db_password: "…"`, `"api_key", default="…"`, `ENV TOKEN …`. */
export interface Assignment {
  /** The name as it is written. */
  readonly name: string;
  readonly value: string;
}

/** How the names begin; three letters each, in lower case, of which the scan looks for the places. */
export const namePrefixes = [
  'pas',
  'pwd',
  'sec',
  'tok',
  'api',
  'acc',
  'aut',
  'pri',
  'mas',
  'sig',
  'enc',
  'sub',
  'sto',
  'cre',
  'log',
] as const;

const passwordName = String.raw`pass(?:word|wd|phrase|code)?|pwd`;
const keyName = String.raw`secret|token|(?:api|access|auth|private|account|master|signing|encryption|subscription|storage)[_-]?key|credentials?|authtoken|login\(\s{0,8}key`;
/** What follows a secret's name where it names something about the secret. */
const about =
  /(?:name|ref|path|file|dir|folder|id|ids|arn|url|uri|endpoint|type|types|len|length|size|field|column|index|policy|reset|hash|regex|pattern|format|prefix|suffix|env|var|expir\w*|ttl|version|class|label|hint|prompt|manager|provider|store|method|algorithm|count|limit|rule|input|izer\w*|ized|ize|scope|form|strength|error|required|enabled|mode|message|title|text|help|description)s?$/i;

const name = new RegExp(`(${passwordName}|${keyName})([\\w.-]{0,40})`, 'iy');
/** Closing of the name, the type of a variable, and what stands between a name and its value. */
const between = new RegExp(
  [
    String.raw`\\?["'\`]?\]?\\?`,
    '(?:',
    [
      String.raw`[ \t]{0,8}(?::[ \t]?[A-Za-z_][\w.]{0,30}(?:\[\w+\])?[ \t]{0,4})?(?:=>|:=|\?=|===?|=|:|,)[ \t]{0,20}(?:default[ \t]?=[ \t]?)?`,
      String.raw`\)[ \t]{0,4}(?:or|\|\||\?\?)[ \t]{0,4}`,
      String.raw`>`,
      String.raw`[ \t]{1,8}value[ \t]?=[ \t]?`,
      String.raw`[ \t]*\r?\n[ \t]{0,40}(?:- )?"?value"?:[ \t]{0,8}`,
    ].join('|'),
    ')',
  ].join(''),
  'iy',
);
const quoted = /(?:[rbuf]{1,2})?(\\?["'`])([^"'`\r\n\\]{8,1000})\1/iy;
const bare = /([^\s"'`,;<>(){}[\]|]{8,1000})(?=[\s,;<&]|\\n|$)/y;
const spaced = /[ \t]{1,4}["']?([^\s"'`]{8,1000})/y;

/**
 * The assignment whose name stands at `at`; null where there is none, or its value is nothing that a machine or a careful person drew.
 * In code only what is in quotes is a value, the rest are names of others.
 */
export function assignmentAt(text: string, at: number, isCode: boolean): Assignment | null {
  name.lastIndex = at;
  const found = name.exec(text);
  if (found === null) return null;
  const [whole, word = '', rest = ''] = found;
  // `compass`, `passenger`, `tokenizer`, `secretary`, `password_file`.
  if (/^pass$/i.test(word) && !/(?:^|[^A-Za-z])$/.test(text.slice(Math.max(0, at - 1), at))) return null;
  if (/[a-z]$/.test(word) ? /^(?!s(?:[^a-z]|$))[a-z]/.test(rest) : /^(?!S(?:[^A-Z]|$))[A-Z]/.test(rest)) return null;
  if (about.test(rest)) return null;
  if (/\.(?:[cm]?[jt]s|py|json|ya?ml|toml|go|rs|java|md)$/.test(rest)) return null;
  const value = valueAt(text, at, at + whole.length, isCode);
  if (value === null) return null;
  const isPassword = /^p/i.test(word) && !/key$/i.test(word);
  // Two arguments in a row need not be a name and its value: `hash('password', 'salt1234')`.
  const isSecret =
    isPassword && !/^["'`\\]*,/.test(text.slice(at + whole.length, at + whole.length + 8)) ? isRandomPassword : isRandomKey;
  return isSecret(value) ? { name: nameAround(text, at, at + whole.length), value } : null;
}

function valueAt(text: string, start: number, end: number, isCode: boolean): string | null {
  between.lastIndex = end;
  const found = between.exec(text);
  if (found !== null) {
    const from = between.lastIndex;
    quoted.lastIndex = from;
    const inQuotes = quoted.exec(text)?.[2];
    if (inQuotes !== undefined) return inQuotes;
    if (isCode) return null;
    bare.lastIndex = from;
    return bare.exec(text)?.[1] ?? null;
  }
  // `--token VALUE`, `ENV TOKEN VALUE`, `machine … password VALUE`.
  const line = text.slice(Math.max(0, start - 200), start).replace(/^[\s\S]*\n/, '');
  if (!/(?:^|\s)--?[\w-]*$/.test(line) && !/^\s*(?:ENV|ARG|machine|default|login)\s/.test(line)) return null;
  spaced.lastIndex = end;
  const value = spaced.exec(text)?.[1];
  return value === undefined || (isCode && !/--?[\w-]*$/.test(line)) ? null : value;
}

function nameAround(text: string, start: number, end: number): string {
  const before = /[\w.-]{0,40}$/.exec(text.slice(Math.max(0, start - 40), start))?.[0] ?? '';
  return before.replace(/^[-.]+/, '') + text.slice(start, end);
}
