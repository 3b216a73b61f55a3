import { isUtf8 } from 'node:buffer';

/** A file's content as a ConfigMap has it: in `data` as it is, or in `binaryData` in base64. */
export type ObjectEntry = { readonly text: string } | { readonly base64: string };

/** JSON writes each of them as six characters: a file of them would be larger on its way than a server takes. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const noPlainText = /[\u0000-\u0008\u000B\u000C\u000E-\u001F]/;

/** Plain text as it is, so that people can read it there; all else in base64. Either way it travels in twice its bytes at most. */
export function objectEntry(content: Uint8Array): ObjectEntry {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const text = isUtf8(bytes) ? bytes.toString() : null;
  return text === null || noPlainText.test(text) ? { base64: bytes.toString('base64') } : { text };
}

/** `data` and `binaryData` of a ConfigMap. */
export function entryData(entries: Readonly<Record<string, ObjectEntry>>): {
  readonly data: Record<string, string>;
  readonly binaryData: Record<string, string>;
} {
  const data: Record<string, string> = {};
  const binaryData: Record<string, string> = {};
  for (const [key, entry] of Object.entries(entries)) {
    if ('text' in entry) data[key] = entry.text;
    else binaryData[key] = entry.base64;
  }
  return { data, binaryData };
}
