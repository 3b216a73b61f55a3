import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A project in a temporary folder, deleted at the end of its scope. */
export class ProjectFixture implements Disposable {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-snapshot-')));
  readonly root = join(this.base, 'project');
  readonly storeDir = join(this.base, 'snapshots');

  /** Path → text; a value `-> target` makes a symbolic link, a path that ends with `/` a folder. */
  constructor(files: Readonly<Record<string, string>>, options: { git?: boolean } = {}) {
    mkdirSync(this.root);
    this.write(files);
    if (options.git === true) this.git('init', '-q');
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      const full = join(this.root, path);
      if (path.endsWith('/')) mkdirSync(full, { recursive: true });
      else {
        mkdirSync(dirname(full), { recursive: true });
        if (text.startsWith('-> ')) symlinkSync(text.slice(3), full);
        else writeFileSync(full, text);
      }
    }
  }

  git(...args: readonly string[]): void {
    execFileSync('git', ['-C', this.root, '-c', 'user.name=test', '-c', 'user.email=test@example.org', ...args], {
      stdio: 'ignore',
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** Every file and link beneath a folder, relative and sorted; links are not followed. */
export function tree(dir: string): string[] {
  const paths: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(dir, folder), { withFileTypes: true })) {
      if (entry.isDirectory()) visit(`${folder}${entry.name}/`);
      else paths.push(folder + entry.name);
    }
  };
  visit('');
  return paths.sort();
}

export const text = (...parts: string[]): string => readFileSync(join(...parts), 'utf8');
