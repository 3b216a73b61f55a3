import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineSecrets } from '../../../../agent/packaging/image/index.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hpo-settings-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function write(path: string, text: string): string {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

async function secrets(environment: NodeJS.ProcessEnv = {}): Promise<Record<string, string>> {
  const found = await machineSecrets({ HOME: home, ...environment });
  return Object.fromEntries(Object.entries(found).map(([id, value]) => [id, Buffer.from(value).toString()]));
}

/** Lines are broken here and there by different tools. */
function bare(pem: string): string {
  return pem.replaceAll(/\s/g, '');
}

describe('the package settings of this machine', () => {
  it('trust what this machine trusts, and what is named besides, each once', async () => {
    const [own = '', ...others] = rootCertificates;
    const named = write('ca.pem', `# ours\n${own}\n${own.replace('MII', 'MIX')}\n`);
    const { ca = '' } = await secrets({ NODE_EXTRA_CA_CERTS: named });
    const all = bare(ca);
    expect(all).toContain(bare(own.replace('MII', 'MIX')));
    for (const one of [own, ...others]) expect(all.split(bare(one))).toHaveLength(2);
    expect(ca).not.toContain('ours');
  });

  it('have variables of installers and proxies, in words of the shell, and no others', async () => {
    const { env = '' } = await secrets({
      PIP_INDEX_URL: "https://me:it's@index.example/simple",
      https_proxy: 'http://proxy.example:3128',
      NPM_TOKEN: 'abc',
      UV_INDEX_OURS_PASSWORD: 'p',
      GOPROXY: 'https://go.example',
      PIP_FIND_LINKS: '/opt/wheels',
      AWS_SECRET_ACCESS_KEY: 'never',
      PIP_CERT: '/etc/ca.pem',
    });
    expect(
      env
        .trim()
        .split('\n')
        .toSorted((a, b) => (a < b ? -1 : 1)),
    ).toEqual([
      "export GOPROXY='https://go.example'",
      "export NPM_TOKEN='abc'",
      String.raw`export PIP_INDEX_URL='https://me:it'\''s@index.example/simple'`,
      "export UV_INDEX_OURS_PASSWORD='p'",
      String.raw`export UV_INDEX_URL='https://me:it'\''s@index.example/simple'`,
      "export https_proxy='http://proxy.example:3128'",
    ]);
  });

  it('have what pip is configured with, for uv too, and no path of this machine', async () => {
    const own = write(
      'own.conf',
      [
        '[global]',
        'index-url = https://u:p@index.example/simple',
        'cert = /etc/ca.pem',
        '# comment = 1',
        '[install]',
        'extra_index_url =',
        '    https://one.example',
        '    https://two.example',
        'find-links = /opt/wheels',
        '',
      ].join('\n'),
    );
    const { pip = '', env = '' } = await secrets({ PIP_CONFIG_FILE: own });
    expect(pip).toBe(
      '[global]\nindex-url = https://u:p@index.example/simple\nextra-index-url = https://one.example\n  https://two.example\n',
    );
    expect(env).toContain("export UV_INDEX_URL='https://u:p@index.example/simple'");
    expect(env).toContain("export UV_EXTRA_INDEX_URL='https://one.example https://two.example'");
  });

  it('leave uv its own index where it has one', async () => {
    const { env = '' } = await secrets({ PIP_INDEX_URL: 'https://pip.example', UV_DEFAULT_INDEX: 'https://uv.example' });
    expect(env).not.toContain('UV_INDEX_URL');
  });

  it('have the settings of npm with the variables they name', async () => {
    write(
      '.npmrc',
      '//npm.example/:_authToken=${TOKEN}\ncafile=/etc/ca.pem\nprefix = /usr/local\nregistry=https://npm.example/\n',
    );
    const { npm } = await secrets({ TOKEN: 'abc' });
    expect(npm).toBe('//npm.example/:_authToken=abc\nregistry=https://npm.example/\n');
  });

  it('have .netrc, uv.toml and the configuration of cargo as they are', async () => {
    write('.netrc', 'machine a login b password c\n');
    write('.config/uv/uv.toml', 'index-url = "https://x"\n');
    write('.cargo/config.toml', '[net]\n');
    expect(await secrets()).toMatchObject({
      netrc: 'machine a login b password c\n',
      uv: 'index-url = "https://x"\n',
      cargo: '[net]\n',
    });
  });

  it('have no more than certificates where nothing is set', async () => {
    const found = await secrets({ PIP_CONFIG_FILE: '/dev/null' });
    expect(Object.keys(found).filter((id) => !['ca', 'apt', 'uv', 'env'].includes(id))).toEqual([]);
  });
});
