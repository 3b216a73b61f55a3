import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Looks for texts in bytes, however they were written there, all in one pass. */
export class SecretSearch {
  /** By the first four bytes. */
  readonly #needles = new Map<number, { readonly name: string; readonly bytes: Buffer }[]>();

  constructor(texts: Readonly<Record<string, string>>) {
    for (const [name, text] of Object.entries(texts)) {
      for (const bytes of formsOf(text)) {
        const start = bytes.readUInt32BE(0);
        this.#needles.set(start, [...(this.#needles.get(start) ?? []), { name, bytes }]);
      }
    }
  }

  /** Names of the texts that are in it, sorted. */
  inBytes(content: Uint8Array): string[] {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    const found = new Set<string>();
    // Three quarters of all places are passed over by one look into a small table.
    const seconds = new Uint8Array(65_536);
    for (const start of this.#needles.keys()) seconds[start >>> 16] = 1;
    for (let at = 0; at + 4 <= bytes.length; at++) {
      if (seconds[((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)] !== 1) continue;
      for (const { name, bytes: needle } of this.#needles.get(bytes.readUInt32BE(at)) ?? [])
        if (bytes.subarray(at, at + needle.length).equals(needle)) found.add(name);
    }
    return [...found].sort();
  }

  inText(text: string): string[] {
    return this.inBytes(Buffer.from(text));
  }

  /** In names and contents of all files beneath a folder; what is packed by gzip is unpacked. */
  inFolder(folder: string): string[] {
    const found = new Set<string>();
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      for (const name of this.inText(entry.name)) found.add(name);
      if (!entry.isFile()) continue;
      const content = readFileSync(join(entry.parentPath, entry.name));
      for (const name of this.inBytes(content)) found.add(name);
      if (content[0] === 0x1f && content[1] === 0x8b) for (const name of this.inBytes(gunzipSync(content))) found.add(name);
    }
    return [...found].sort();
  }
}

/** As it is, of two bytes a character, as digits, for addresses, and within base64, whatever stands before it. */
function formsOf(text: string): Buffer[] {
  const plain = Buffer.from(text);
  const within = [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), plain]);
    // The first and the last characters hold bits of what stands beside.
    const cut = (encoded: string): string => encoded.slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6));
    return [cut(bytes.toString('base64')), cut(bytes.toString('base64url'))];
  });
  const hex = plain.toString('hex');
  const forms = [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1), hex, hex.toUpperCase(), ...within];
  return [...new Set(forms)].map((form) => Buffer.from(form)).concat(Buffer.from(text, 'utf16le'));
}
