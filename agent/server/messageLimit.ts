/** Longest header of a message; ours have one line of about 25 bytes. */
const maxHeaderBytes = 1024;
/** Longest body of a message: a request with 10,000 long points of the user has less. */
const maxBodyBytes = 32 * 1024 * 1024;

/**
 * Follows the framing of a connection's messages (`Content-Length: N`, an empty line, N bytes), so that no client makes
 * the agent keep what never ends: the reader of the messages itself collects whatever is announced.
 */
export class MessageLimit {
  #header = '';
  /** Bytes of the body that have not come yet; 0 between messages. */
  #left = 0;

  /** False for bytes that no client of ours sends: the connection is to be closed. */
  admits(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      const missing = maxHeaderBytes - this.#header.length;
      const before = this.#header.length;
      this.#header += Buffer.from(chunk.subarray(at, at + missing)).toString('latin1');
      const end = this.#header.indexOf('\r\n\r\n');
      if (end === -1) {
        if (this.#header.length >= maxHeaderBytes) return false;
        return true;
      }
      const length = /^content-length: *(\d{1,9})$/im.exec(this.#header.slice(0, end).replaceAll('\r', ''))?.[1];
      if (length === undefined || Number(length) > maxBodyBytes) return false;
      at += end + 4 - before;
      this.#header = '';
      this.#left = Number(length);
    }
    return true;
  }
}
