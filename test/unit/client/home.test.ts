import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cacheFolder, defaultHome, socketPath } from '../../../agent/client/home.ts';

describe('where things are', () => {
  test.each([{}, { HPO_HOME: '', HPO_CACHE: '' }])('an empty variable is none: %j', (env) => {
    expect(defaultHome(env)).not.toBe(process.cwd());
    expect(defaultHome(env)).toBe(defaultHome({}));
    expect(cacheFolder(env)).toBe(cacheFolder({}));
  });

  test.skipIf(process.platform === 'win32').each([
    [undefined, '/h/run'],
    ['', '/h/run'],
    ['run/user/1', '/h/run'],
    ['/run/user/1', '/run/user/1/hpo'],
    [`/${'long'.repeat(30)}`, '/h/run'],
  ])('the socket with XDG_RUNTIME_DIR=%s is in %s', (runtime, folder) => {
    const env = runtime === undefined ? {} : { XDG_RUNTIME_DIR: runtime };
    const path = socketPath('/h', 'token', env);
    expect(path).toBe(join(folder, path.slice(path.lastIndexOf('/') + 1)));
    expect(path).not.toContain('token');
  });

  test.skipIf(process.getuid?.() !== 0)('the socket of a user without an entry among the accounts', () => {
    const module = new URL('../../../agent/client/home.ts', import.meta.url);
    const code = `import(${JSON.stringify(module.href)}).then(({ socketPath }) => {
      process.setuid(54321);
      console.log(socketPath('/${'long'.repeat(30)}', 'token', {}));
    });`;
    const path = execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' });
    expect(path).toContain('/hpo-54321/');
  });

  test.skipIf(process.getuid?.() !== 0)('the home folder of such a user without HOME', () => {
    const module = new URL('../../../agent/client/homeFolder.ts', import.meta.url);
    // It is read before the user changes, who may not read it.
    const code = `
      import { readFileSync } from 'node:fs';
      import { stripTypeScriptTypes } from 'node:module';
      import { homedir } from 'node:os';
      const text = stripTypeScriptTypes(readFileSync(new URL(${JSON.stringify(module.href)}), 'utf8'));
      process.setuid(54321);
      await import('data:text/javascript,' + encodeURIComponent(text));
      console.log(homedir());`;
    const { HOME: _, ...environment } = process.env;
    const options = { encoding: 'utf8', env: environment, stdio: 'pipe' } as const;
    expect(execFileSync(process.execPath, ['--input-type=module', '--eval', code], options)).toBe('/\n');
  });
});
