import { describe, expect, it } from 'vitest';
import type { DetectedEnvironment } from '../../../../agent/packaging/detect/detected.ts';
import { type ImageRecipe, recipeOf, type RecipeOptions } from '../../../../agent/packaging/image/index.ts';
import type { HpoError } from '../../../../agent/protocol/errors.ts';

type Detected = Partial<Omit<DetectedEnvironment, 'manifests'>> & { readonly files?: Readonly<Record<string, string>> };

function detected({ files = {}, ...rest }: Detected): DetectedEnvironment {
  return {
    kind: 'requirements',
    reason: 'as the test says',
    language: 'python',
    languageVersion: '3.11',
    image: null,
    dockerfile: null,
    manifests: Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text) })),
    requirements: [],
    isReproducible: true,
    cuda: null,
    needsCompiler: false,
    systemPackages: [],
    passedOver: [],
    diagnostics: [],
    question: null,
    ...rest,
  };
}

function recipe(of: Detected, options: Partial<RecipeOptions> = {}): ImageRecipe {
  return recipeOf(detected(of), { architecture: 'amd64', ...options });
}

function fileOf({ build }: ImageRecipe, path: string): string {
  const file = build?.context.find((one) => one.path === path);
  return file === undefined ? 'is not there' : Buffer.from(file.content).toString();
}

/** Without the mounts that every step of a kind has. */
function shown(one: ImageRecipe): string {
  return fileOf(one, 'Dockerfile')
    .split('\n')
    .filter((line) => !/--mount=type=(?:secret|tmpfs)|settings\.sh/.test(line))
    .map((line) => line.replace('--mount=type=bind,source=hpo,target=/run/hpo ', ''))
    .join('\n');
}

const pinned = { 'requirements.txt': 'six==1.17.0\n' };
const lock = 'version = 1\n';
const project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["six==1.17.0"]\n';

describe('the whole of a generated Dockerfile', () => {
  it('installs requirements', () =>
    expect(fileOf(recipe({ files: pinned }), 'Dockerfile')).toMatchInlineSnapshot(`
    "# Made by hpo. No code is in it: each attempt mounts its own.
    FROM python:3.11-slim-bookworm AS tools
    RUN --mount=type=bind,source=hpo,target=/run/hpo \\
        --mount=type=tmpfs,target=/run/config \\
        --mount=type=secret,id=ca,mode=0444 \\
        --mount=type=secret,id=env,mode=0444 \\
        --mount=type=secret,id=netrc,mode=0444 \\
        --mount=type=secret,id=pip,mode=0444 \\
        --mount=type=secret,id=uv,mode=0444 \\
        --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
        . /run/hpo/settings.sh && \\
        python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

    FROM python:3.11-slim-bookworm
    RUN --mount=type=bind,source=hpo,target=/run/hpo \\
        --mount=type=tmpfs,target=/run/config \\
        --mount=type=bind,source=project,target=/run/project,rw \\
        --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
        --mount=type=secret,id=ca,mode=0444 \\
        --mount=type=secret,id=env,mode=0444 \\
        --mount=type=secret,id=netrc,mode=0444 \\
        --mount=type=secret,id=pip,mode=0444 \\
        --mount=type=secret,id=uv,mode=0444 \\
        --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
        . /run/hpo/settings.sh && \\
        export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
        /opt/uv/bin/uv venv --python python3 /opt/env && \\
        cd /run/project && \\
        /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/project/requirements.txt
    ENV PATH=/opt/env/bin:$PATH \\
        VIRTUAL_ENV=/opt/env \\
        PYTHONDONTWRITEBYTECODE=1 \\
        USER=hpo
    "
  `));
});

describe('what is generated for', () => {
  it('requirements, without uv', () =>
    expect(shown(recipe({ files: pinned }, { allowsUv: false }))).toMatchInlineSnapshot(`
    "# Made by hpo. No code is in it: each attempt mounts its own.
    FROM python:3.11-slim-bookworm
    RUN \\
        --mount=type=bind,source=project,target=/run/project,rw \\
        --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
        export PIP_DISABLE_PIP_VERSION_CHECK=1 && \\
        python3 -m venv --without-pip /opt/env && \\
        cd /run/project && \\
        python3 -m pip --python /opt/env/bin/python install -r /run/project/requirements.txt
    ENV PATH=/opt/env/bin:$PATH \\
        VIRTUAL_ENV=/opt/env \\
        PYTHONDONTWRITEBYTECODE=1 \\
        USER=hpo
    "
  `));
  it('a script with its requirements in a comment', () =>
    expect(shown(recipe({ kind: 'pep723', files: { 'train.py': '' }, requirements: ['six'] }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/project/requirements.txt
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('a script with its requirements in a comment and a lock', () =>
    expect(
      shown(recipe({ kind: 'pep723', files: { 'sub/train.py': '', 'sub/train.py.lock': lock }, requirements: ['six'] })),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          /opt/uv/bin/uv export --quiet --frozen --script /run/project/sub/train.py > /run/config/locked.txt && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/config/locked.txt
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('uv', () =>
    expect(shown(recipe({ kind: 'uv', files: { 'uv.lock': lock, 'pyproject.toml': project } }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          cd /run/project && \\
          UV_PROJECT_ENVIRONMENT=/opt/env /opt/uv/bin/uv sync --frozen --no-install-workspace && \\
          printf '%s\\n' /hpo/work /hpo/work/src > "$(/opt/env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/hpo-project.pth
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('pixi', () =>
    expect(shown(recipe({ kind: 'pixi', files: { 'pixi.lock': 'version: 6\n' } }))).toMatchInlineSnapshot(`
    "# Made by hpo. No code is in it: each attempt mounts its own.
    FROM python:3.11-slim-bookworm AS packages
    RUN \\
        --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
        python3 -m pip install --target /opt/tools --disable-pip-version-check 'py-rattler>=0.23,<1' 'uv>=0.5,<1'
    RUN \\
        --mount=type=bind,source=project,target=/run/project,rw \\
        --mount=type=cache,target=/root/.cache/rattler,sharing=locked \\
        --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
        PYTHONPATH=/opt/tools python3 /run/hpo/install_conda.py /run/project/plan.json /opt/env /tmp/pip.txt && \\
        if [ -s /tmp/pip.txt ]; then /opt/tools/bin/uv pip install --link-mode copy --compile-bytecode --index-strategy unsafe-best-match --python /opt/env/bin/python -r /tmp/pip.txt; fi && \\
        chmod -R a+rX /opt/env

    FROM debian:bookworm-slim
    COPY --from=packages /opt/env /opt/env
    ENV PATH=/opt/env/bin:$PATH \\
        CONDA_PREFIX=/opt/env \\
        PYTHONDONTWRITEBYTECODE=1 \\
        USER=hpo
    "
  `));
  it('poetry', () =>
    expect(
      shown(
        recipe({
          kind: 'poetry',
          files: {
            'poetry.lock': '',
            'pyproject.toml': '[tool.poetry.group.dev.dependencies]\nsix = "1"\n[tool.poetry.group.docs]\noptional = true\n',
          },
        }),
      ),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1' && \\
          /opt/uv/bin/uv venv --python python3 /opt/poetry && \\
          UV_LINK_MODE=copy /opt/uv/bin/uv pip install --python /opt/poetry/bin/python 'poetry>=2,<3' poetry-plugin-export

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=bind,from=tools,source=/opt/poetry,target=/opt/poetry \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          cd /run/project && \\
          /opt/poetry/bin/poetry export --with dev --output /run/config/locked.txt && \\
          sed -i -E '/(^-e | @ |^)(file:|\\.\\.?\\/)/d' /run/config/locked.txt && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/config/locked.txt && \\
          printf '%s\\n' /hpo/work /hpo/work/src > "$(/opt/env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/hpo-project.pth
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('pdm', () =>
    expect(shown(recipe({ kind: 'pdm', files: { 'pdm.lock': '', 'pyproject.toml': project } }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1' && \\
          /opt/uv/bin/uv venv --python python3 /opt/pdm && \\
          UV_LINK_MODE=copy /opt/uv/bin/uv pip install --python /opt/pdm/bin/python 'pdm[locked]>=2,<3'

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=bind,from=tools,source=/opt/pdm,target=/opt/pdm \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          cd /run/project && \\
          /opt/pdm/bin/pdm export --output /run/config/locked.txt && \\
          sed -i -E '/(^-e | @ |^)(file:|\\.\\.?\\/)/d' /run/config/locked.txt && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/config/locked.txt && \\
          printf '%s\\n' /hpo/work /hpo/work/src > "$(/opt/env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/hpo-project.pth
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('pipenv', () =>
    expect(shown(recipe({ kind: 'pipenv', files: { 'Pipfile.lock': '{}', Pipfile: '' } }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1' && \\
          /opt/uv/bin/uv venv --python python3 /opt/pipenv && \\
          UV_LINK_MODE=copy /opt/uv/bin/uv pip install --python /opt/pipenv/bin/python pipenv

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=bind,from=tools,source=/opt/pipenv,target=/opt/pipenv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          cd /run/project && \\
          /opt/pipenv/bin/pipenv requirements --hash > /run/config/locked.txt && \\
          sed -i -E '/(^-e | @ |^)(file:|\\.\\.?\\/)/d' /run/config/locked.txt && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/config/locked.txt
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('conda', () =>
    expect(
      shown(recipe({ kind: 'conda', files: { 'environment.yml': 'dependencies: [numpy]\nvariables: {A: "b c"}\n' } })),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS packages
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/tools --disable-pip-version-check 'py-rattler>=0.23,<1' 'uv>=0.5,<1'
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=cache,target=/root/.cache/rattler,sharing=locked \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          PYTHONPATH=/opt/tools python3 /run/hpo/install_conda.py /run/project/plan.json /opt/env /tmp/pip.txt && \\
          if [ -s /tmp/pip.txt ]; then /opt/tools/bin/uv pip install --link-mode copy --compile-bytecode --index-strategy unsafe-best-match --python /opt/env/bin/python -r /tmp/pip.txt; fi && \\
          chmod -R a+rX /opt/env

      FROM debian:bookworm-slim
      COPY --from=packages /opt/env /opt/env
      ENV PATH=/opt/env/bin:$PATH \\
          CONDA_PREFIX=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo \\
          A="b c"
      "
    `));
  it('a pyproject.toml without a lock', () =>
    expect(shown(recipe({ kind: 'pyproject', files: { 'pyproject.toml': project } }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/project/requirements.txt && \\
          printf '%s\\n' /hpo/work /hpo/work/src > "$(/opt/env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/hpo-project.pth
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('the list of an interpreter', () =>
    expect(shown(recipe({ kind: 'interpreter', requirements: ['six==1.17.0'], isReproducible: false }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

      FROM python:3.11-slim-bookworm
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never && \\
          /opt/uv/bin/uv venv --python python3 /opt/env && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/project/requirements.txt
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
  it('npm', () =>
    expect(
      shown(
        recipe({
          kind: 'node',
          language: 'node',
          languageVersion: '24',
          files: { 'package.json': '{}', 'package-lock.json': '{}' },
        }),
      ),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM node:24-bookworm-slim
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=cache,target=/root/.npm,sharing=locked \\
          mkdir -p /hpo && \\
          cp -R /run/project/. /hpo/ && \\
          cd /hpo && \\
          npm ci && \\
          mkdir -p /hpo/node_modules && \\
          find /hpo -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
      ENV PATH=/hpo/node_modules/.bin:$PATH \\
          USER=hpo
      "
    `));
  it('renv', () =>
    expect(
      shown(
        recipe({
          kind: 'renv',
          language: 'r',
          languageVersion: '4.2.2',
          files: { 'renv.lock': '{"Packages": {"a": {"Version": "1"}}}' },
        }),
      ),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM r-base:4.2.2
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=cache,target=/root/.cache/hpo-r,sharing=locked \\
          mkdir -p /opt/R/library && \\
          Rscript --vanilla /run/hpo/install_packages.R /run/project/packages.tsv /opt/R/library && \\
          chmod -R a+rX /opt/R/library
      ENV R_LIBS=/opt/R/library \\
          USER=hpo
      "
    `));
  it('Julia', () =>
    expect(
      shown(
        recipe({ kind: 'julia', language: 'julia', languageVersion: '1.5', files: { 'Project.toml': '', 'Manifest.toml': '' } }),
      ),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM julia:1.5-bullseye
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          mkdir -p /opt/env && \\
          cp /run/project/*.toml /opt/env/ && \\
          export JULIA_DEPOT_PATH=/opt/julia JULIA_PROJECT=/opt/env JULIA_PKG_PRECOMPILE_AUTO=0 && \\
          julia -e 'using Pkg; Pkg.instantiate()' && \\
          julia -e 'using Pkg; try Pkg.precompile() catch error; @warn "not all packages compile ahead" error end' && \\
          chmod -R a+rX /opt/julia /opt/env
      ENV JULIA_PROJECT=/opt/env \\
          JULIA_DEPOT_PATH=/tmp/julia:/opt/julia \\
          USER=hpo
      "
    `));
  it('a command with packages of the distribution', () =>
    expect(
      shown(
        recipe({
          kind: 'command',
          language: 'other',
          languageVersion: '',
          needsCompiler: true,
          systemPackages: ['libgl1', 'cmake'],
        }),
      ),
    ).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM debian:bookworm-slim
      RUN \\
          --mount=type=cache,target=/var/cache/apt,sharing=locked \\
          --mount=type=cache,target=/var/lib/apt,sharing=locked \\
          rm -f /etc/apt/apt.conf.d/docker-clean && \\
          apt-get update && \\
          DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential cmake libgl1
      ENV USER=hpo
      "
    `));
  it('something that is compiled against CUDA', () =>
    expect(shown(recipe({ files: pinned, cuda: '12.4', needsCompiler: true }))).toMatchInlineSnapshot(`
      "# Made by hpo. No code is in it: each attempt mounts its own.
      FROM python:3.11-slim-bookworm AS tools
      RUN \\
          --mount=type=cache,target=/root/.cache/pip,sharing=locked \\
          python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'

      FROM nvidia/cuda:12.4.0-devel-ubuntu22.04
      ENV NVIDIA_VISIBLE_DEVICES=void \\
          NVIDIA_DRIVER_CAPABILITIES=compute,utility
      RUN \\
          --mount=type=cache,target=/var/cache/apt,sharing=locked \\
          --mount=type=cache,target=/var/lib/apt,sharing=locked \\
          rm -f /etc/apt/apt.conf.d/docker-clean && \\
          apt-get update && \\
          DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential
      RUN \\
          --mount=type=bind,source=project,target=/run/project,rw \\
          --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \\
          --mount=type=cache,target=/root/.cache/uv,sharing=locked \\
          export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_INSTALL_DIR=/opt/python && \\
          /opt/uv/bin/uv venv --python 3.11 /opt/env && \\
          cd /run/project && \\
          /opt/uv/bin/uv pip install --python /opt/env/bin/python --index-strategy unsafe-best-match -r /run/project/requirements.txt
      ENV PATH=/opt/env/bin:$PATH \\
          VIRTUAL_ENV=/opt/env \\
          PYTHONDONTWRITEBYTECODE=1 \\
          USER=hpo
      "
    `));
});

describe('the base image', () => {
  it.each<[Detected, string | undefined]>([
    [{ languageVersion: '' }, 'python:3.12-slim-bookworm'],
    [{ languageVersion: '3.10.4' }, 'python:3.10.4-slim-bookworm'],
    [{ cuda: '12.4' }, 'python:3.11-slim-bookworm'],
    [{ cuda: '12.4', needsCompiler: true }, 'nvidia/cuda:12.4.0-devel-ubuntu22.04'],
    [{ cuda: '11.8.1', needsCompiler: true }, 'nvidia/cuda:11.8.1-devel-ubuntu22.04'],
    [{ kind: 'node', language: 'node', languageVersion: '' }, 'node:24-bookworm-slim'],
    [{ kind: 'renv', language: 'r', languageVersion: '4.3.1', files: { 'renv.lock': '{}' } }, 'r-base:4.3.1'],
    [{ kind: 'command', language: 'r', languageVersion: '4.3' }, 'rocker/r-ver:4.3'],
    [{ kind: 'julia', language: 'julia', languageVersion: '1.5' }, 'julia:1.5-bullseye'],
    [{ kind: 'julia', language: 'julia', languageVersion: '1.11.2' }, 'julia:1.11.2-bookworm'],
    [{ kind: 'command', language: 'other', languageVersion: '' }, 'debian:bookworm-slim'],
    [{ kind: 'command', language: 'python' }, 'python:3.11-slim-bookworm'],
  ])('%j: %s', (of, base) => expect(recipe({ files: pinned, ...of }).build?.base).toBe(base));

  it('can be another one', () => {
    const { build } = recipe({ files: pinned, cuda: '12.4', needsCompiler: true }, { base: 'mine:1' });
    expect(build?.base).toBe('mine:1');
    expect(Buffer.from(build?.context[0]?.content ?? []).toString()).not.toContain('nvidia/cuda');
  });
});

describe('the key', () => {
  const script = (dependency: string, code: string): Detected => ({
    kind: 'pep723',
    requirements: [dependency],
    files: {
      'train.py': `# /// script\n# dependencies = ["${dependency}"]\n# ///\n${code}\n`,
      'train.py.lock': `# ${dependency}\n`,
    },
  });

  it.each<[string, Detected, Detected]>([
    ['why it was taken', { files: pinned }, { files: pinned, reason: 'another script of the project' }],
    ['what was passed over', { files: pinned }, { files: pinned, passedOver: [{ file: 'Pipfile', reason: 'no lock' }] }],
    ['code beside a block of requirements', script('six', 'lr = 1'), script('six', 'lr = 2')],
    [
      'what a pyproject.toml says besides its dependencies',
      { kind: 'pyproject', files: { 'pyproject.toml': project } },
      { kind: 'pyproject', files: { 'pyproject.toml': `${project}[tool.ruff]\nline-length = 100\n` } },
    ],
    [
      'comments of an environment.yml',
      { kind: 'conda', files: { 'environment.yml': 'dependencies: [numpy]\n' } },
      { kind: 'conda', files: { 'environment.yml': '# for training\ndependencies:\n  - numpy\n' } },
    ],
  ])('stays: %s', (_what, before, after) => expect(recipe(after).key).toBe(recipe(before).key));

  it.each<[string, Detected, Detected]>([
    ['a requirement', { files: pinned }, { files: { 'requirements.txt': 'six==1.16.0\n' } }],
    ['a file that is included', { files: { ...pinned, 'c.txt': 'a' } }, { files: { ...pinned, 'c.txt': 'b' } }],
    ['a block of requirements', script('six', 'lr = 1'), script('attrs', 'lr = 1')],
    ['the version of the language', { files: pinned }, { files: pinned, languageVersion: '3.12' }],
    ['system packages', { files: pinned }, { files: pinned, systemPackages: ['libgl1'] }],
    ['a compiler', { files: pinned }, { files: pinned, needsCompiler: true }],
    ['CUDA', { files: pinned }, { files: pinned, cuda: '12.4' }],
    [
      'a package of a pyproject.toml',
      { kind: 'pyproject', files: { 'pyproject.toml': project } },
      { kind: 'pyproject', files: { 'pyproject.toml': project.replace('six', 'attrs') } },
    ],
  ])('changes: %s', (_what, before, after) => expect(recipe(after).key).not.toBe(recipe(before).key));

  it('is of machine and base too', () => {
    const keys = [{}, { architecture: 'arm64' }, { base: 'mine:1' }, { allowsUv: false }].map(
      (options) => recipe({ files: pinned }, options).key,
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('names the image', () => {
    const { key, name } = recipe({ files: pinned });
    expect(key).toMatch(/^[0-9a-f]{20}$/);
    expect(name).toBe(`hpo-env:${key}`);
  });
});

describe("a Dockerfile of the user's", () => {
  const text = [
    'FROM python:3.11-slim AS base',
    'COPY --chown=1:1 ./requirements.txt \\',
    '  conf/*.toml /app/',
    'COPY --from=base /x /y',
    'ADD https://example.com/x.tgz /x',
    'COPY ["train.py", "src/", "/app/"]',
    'COPY . /app',
    'RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install -r requirements.txt',
    'FROM --platform=linux/amd64 base',
    '',
  ].join('\n');
  const own = (changes: Readonly<Record<string, string>> = {}): ImageRecipe => {
    const files = {
      'requirements.txt': 'six',
      'conf/a.toml': 'a',
      'conf/deep/b.toml': 'b',
      'train.py': 'lr = 1',
      'src/m.txt': 'm',
      ...changes,
    };
    const context = Object.entries({ Dockerfile: text, ...files }).map(([path, content]) => ({
      path,
      content: Buffer.from(content),
      isExecutable: false,
    }));
    return recipe(
      { kind: 'dockerfile', dockerfile: 'Dockerfile', files: { Dockerfile: changes['Dockerfile'] ?? text } },
      { context },
    );
  };

  it('is built as it is, with the files of the project', () => {
    const { build, interpreter, notes } = own();
    expect(build?.dockerfile).toBe('Dockerfile');
    expect(build?.base).toBe('python:3.11-slim');
    expect(build?.secrets).toEqual(['pip']);
    expect(build?.context.map(({ path }) => path)).toEqual([
      'Dockerfile',
      'conf/a.toml',
      'conf/deep/b.toml',
      'requirements.txt',
      'src/m.txt',
      'train.py',
    ]);
    expect(interpreter).toBe('python3');
    expect(notes).toEqual([
      'Dockerfile copies src, .: changes there do not build the image anew, hpo image SCRIPT --rebuild does',
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['its text', { Dockerfile: `${text}RUN true\n` }],
    ['a manifest that it copies', { 'requirements.txt': 'attrs' }],
    ['one that a pattern of it names', { 'conf/a.toml': 'other' }],
    ['what its .dockerignore leaves out', { '.dockerignore': 'src\n' }],
  ])('has another key with %s', (_what, changes) => expect(own(changes).key).not.toBe(own().key));

  it.each<[string, Readonly<Record<string, string>>]>([
    ['code that it copies by name', { 'train.py': 'lr = 2' }],
    ['what is in a folder that it copies', { 'src/m.txt': 'other' }],
    ['what a pattern does not reach', { 'conf/deep/b.toml': 'other' }],
    ['a file that is new', { 'new.toml': 'x' }],
  ])('keeps its key with %s', (_what, changes) => expect(own(changes).key).toBe(own().key));

  it.each<[string, Readonly<Record<string, string>>]>([
    ['.dockerignore', { '.dockerignore': 'src\nconf/*\n!conf/a.toml\n*.py\nDockerfile\n' }],
    ['the one of the Dockerfile', { 'Dockerfile.dockerignore': 'src\nconf/deep\n*.py\n', '.dockerignore': 'conf\n' }],
  ])('leaves out what %s does', (_what, files) => {
    const paths = own(files).build?.context.map(({ path }) => path);
    expect(paths?.filter((path) => !path.endsWith('.dockerignore'))).toEqual(['Dockerfile', 'conf/a.toml', 'requirements.txt']);
  });

  it.each([
    ['FROM a:1', 'a:1'],
    ['FROM --platform=linux/amd64 a AS b\nFROM b AS c\nFROM C', 'a'],
    ['ARG BASE=python:3.12\nFROM ${BASE}', 'python:3.12'],
    ['ARG V="3.12"\nFROM python:$V-slim', 'python:3.12-slim'],
    ['ARG V\nFROM python:${V:-3.12}', 'python:3.12'],
    ['FROM a\nARG V=1\nFROM b:$V', 'b:$V'],
  ])('%j begins with %s', (dockerfile, base) => expect(own({ Dockerfile: dockerfile }).build?.base).toBe(base));

  it.each<[string, string, string, readonly string[]]>([
    ['its own folder', '.devcontainer/Dockerfile', '.devcontainer', ['Dockerfile', 'r.txt']],
    ['another folder', 'docker/Dockerfile', '.devcontainer', ['Dockerfile.outside', 'r.txt']],
  ])('copies from %s', (_what, dockerfile, dockerContext, paths) => {
    const context = ['.devcontainer/r.txt', 'train.py', dockerfile].map((path) => ({
      path,
      content: Buffer.from('FROM a'),
      isExecutable: false,
    }));
    const { build } = recipe({ kind: 'devcontainer', dockerfile, dockerContext }, { context });
    expect([build?.dockerfile, build?.context.map(({ path }) => path)]).toEqual([paths[0], paths]);
  });

  it('pixi finds packages of a folder of the project where the build has them', () => {
    const locked = [
      '      - conda: file:///home/me/p/channel/noarch/a-1-0.tar.bz2',
      '      - conda: /home/me/p/channel/noarch/a-1-0.tar.bz2',
      '      - conda: https://host/home/me/p/channel/noarch/a-1-0.tar.bz2',
    ];
    const one = recipe({ kind: 'pixi', files: { 'pixi.lock': locked.join('\n'), 'channel/noarch/a-1-0.tar.bz2': 'BZh' } });
    const path = one.build?.context.find((file) => file.path.endsWith('pixi.lock'))?.path ?? '';
    expect(fileOf(one, path).split('\n')).toEqual([
      '      - conda: file:///run/project/channel/noarch/a-1-0.tar.bz2',
      '      - conda: file:///run/project/channel/noarch/a-1-0.tar.bz2',
      '      - conda: https://host/home/me/p/channel/noarch/a-1-0.tar.bz2',
    ]);
  });

  it('has to be there', () =>
    expect(() => recipe({ kind: 'dockerfile', dockerfile: 'docker/Dockerfile' })).toThrow(
      'docker/Dockerfile is not among the files',
    ));
});

describe('an image that is named', () => {
  it('is not built', () =>
    expect(recipe({ kind: 'image', image: 'pytorch/pytorch:2.4' })).toMatchObject({
      name: 'pytorch/pytorch:2.4',
      build: null,
      interpreter: 'python3',
    }));
});

describe('what goes into the context', () => {
  it('has the block of a script and none of its code', () => {
    const block = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["six"]\n# ///\n';
    const one = recipe({ kind: 'pep723', files: { 'train.py': `"""Doc."""\n${block}token = 1\n`, 'train.py.lock': lock } });
    expect(fileOf(one, 'project/train.py')).toBe(block);
  });

  it('has what folders of the project depend on in place of them, and finds them where attempts have them', () => {
    const one = recipe({
      files: {
        'sub/requirements.txt': '-e .\nsix\n./lib[fast]  # ours\n',
        'sub/pyproject.toml': project.replace('six==1.17.0', 'attrs'),
        'sub/lib/pyproject.toml':
          '[project]\nname = "lib"\ndependencies = ["idna"]\noptional-dependencies = { fast = ["certifi"], slow = ["x"] }\n',
      },
    });
    expect(fileOf(one, 'project/sub/requirements.txt')).toBe('attrs\nsix\nidna\ncertifi\n');
    expect(shown(one)).toContain(
      String.raw`printf '%s\n' /hpo/work/sub /hpo/work/sub/src /hpo/work/sub/lib /hpo/work/sub/lib/src >`,
    );
  });

  it('installs what all members of a workspace of uv depend on, and none of them', () => {
    const members = ['[manifest]', 'members = ["a", "root"]', '[[package]]', 'name = "a"', 'source = { editable = "libs/a" }'];
    const others = [
      '[[package]]',
      'name = "root"',
      'source = { virtual = "." }',
      '[[package]]',
      'name = "six"',
      'source = { registry = "x" }',
    ];
    const text = shown(recipe({ kind: 'uv', files: { 'uv.lock': [...members, ...others].join('\n') } }));
    expect(text).toContain(
      'uv sync --frozen --all-packages --no-install-workspace --no-install-package a --no-install-package root',
    );
    expect(text).toContain(String.raw`printf '%s\n' /hpo/work /hpo/work/src /hpo/work/libs/a /hpo/work/libs/a/src >`);
  });

  it('has git for packages that come by it', () =>
    expect(shown(recipe({ files: { 'requirements.txt': 'x @ git+https://example.com/x@main\n' } }))).toContain(
      'install -y --no-install-recommends ca-certificates git',
    ));

  it('has the packages of renv.lock in the order of their needs', () => {
    const packages = {
      a: { Version: '1', Source: 'Repository', Repository: 'CRAN', Requirements: ['b', 'R', 'stats'] },
      b: { Version: '2', Source: 'Repository', Repository: 'Mine', Imports: ['c (>= 1.0)'] },
      c: {
        Version: '3',
        Source: 'GitHub',
        RemoteType: 'github',
        RemoteUsername: 'u',
        RemoteRepo: 'c',
        RemoteSha: 'f00',
        RemoteSubdir: 'pkg',
      },
      d: { Version: '4', Source: 'Bioconductor', Depends: ['d'] },
    };
    const repositories = [
      { Name: 'CRAN', URL: 'https://cran.example/' },
      { Name: 'Mine', URL: 'file:///mine' },
    ];
    const text = JSON.stringify({
      R: { Version: '4.2.2', Repositories: repositories },
      Bioconductor: { Version: '3.19' },
      Packages: packages,
    });
    const one = recipe({ kind: 'renv', language: 'r', files: { 'renv.lock': text } });
    expect(fileOf(one, 'project/packages.tsv').split('\n')).toMatchInlineSnapshot(`
      [
        "c	3	source	pkg	https://codeload.github.com/u/c/tar.gz/f00",
        "b	2	repository		file:///mine https://cran.example",
        "a	1	repository		https://cran.example file:///mine",
        "d	4	repository		https://bioconductor.org/packages/3.19/bioc https://bioconductor.org/packages/3.19/data/annotation https://bioconductor.org/packages/3.19/data/experiment",
        "",
      ]
    `);
  });

  it('has what conda is asked for, as its solver says it', () => {
    const text = [
      'name: x',
      'channels: [defaults, conda-forge, nodefaults]',
      'dependencies: [python=3.11, numpy=1.26=py311_0, "scipy>=1.10", pip, {pip: [six==1.17.0]}]',
    ].join('\n');
    const one = recipe({ kind: 'conda', files: { 'environment.yml': text } });
    expect(JSON.parse(fileOf(one, 'project/plan.json'))).toEqual({
      channels: ['https://repo.anaconda.com/pkgs/main', 'https://repo.anaconda.com/pkgs/r', 'conda-forge'],
      specs: ['python 3.11.*', 'numpy 1.26 py311_0', 'scipy>=1.10'],
      pip: ['six==1.17.0'],
    });
  });
});

describe('packages that lie in the project', () => {
  it('finds a channel of conda where the build has it', () => {
    const text = 'channels: [./channel]\ndependencies: [six]';
    const one = recipe({ kind: 'conda', files: { 'env/environment.yml': text, 'env/channel/noarch/repodata.json': '{}' } });
    expect(JSON.parse(fileOf(one, 'project/plan.json'))).toMatchObject({ channels: ['file:///run/project/env/channel'] });
    expect(fileOf(one, 'project/env/channel/noarch/repodata.json')).toBe('{}');
  });

  it('finds a repository of R where the build has it', () => {
    const locked = {
      R: { Repositories: [{ Name: 'local', URL: 'file:./cran' }] },
      Packages: { a: { Version: '1', Repository: 'local' } },
    };
    const files = { 'renv.lock': JSON.stringify(locked), 'cran/src/contrib/a_1.tar.gz': 'a' };
    const one = recipe({ kind: 'renv', language: 'r', files });
    expect(fileOf(one, 'project/packages.tsv')).toContain('file:///run/project/cran');
    expect(fileOf(one, 'project/cran/src/contrib/a_1.tar.gz')).toBe('a');
  });
});

describe('what no image can be made from', () => {
  it.each<[string, () => ImageRecipe, RegExp]>([
    [
      'a lock of uv, with uv turned off',
      () => recipe({ kind: 'uv', files: { 'uv.lock': lock } }, { allowsUv: false }),
      /only be installed by uv/,
    ],
    [
      'CUDA to compile with, without uv',
      () => recipe({ files: pinned, cuda: '12.4', needsCompiler: true }, { allowsUv: false }),
      /turned off/,
    ],
    ['a devcontainer without either', () => recipe({ kind: 'devcontainer' }), /neither an image nor a Dockerfile/],
    [
      'a package of R from a folder',
      () =>
        recipe({
          kind: 'renv',
          language: 'r',
          files: { 'renv.lock': '{"Packages": {"a": {"Version": "1", "Source": "Local"}}}' },
        }),
      /has a from Local/,
    ],
    ['a renv.lock that is none', () => recipe({ kind: 'renv', language: 'r', files: { 'renv.lock': '{' } }), /is no JSON/],
  ])('is said: %s', (_what, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: 'HPO-2430', exitCode: 4 }) as HpoError);
  });
});
