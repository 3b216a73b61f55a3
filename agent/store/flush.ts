import { closeSync, fsyncSync, openSync } from 'node:fs';

/** A file, or the names in a folder, survive a power cut. Windows flushes no folders. */
export function flush(path: string): void {
  if (process.platform === 'win32') return;
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
