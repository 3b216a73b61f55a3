import type { Package } from './finding.ts';

/** What packages need of the base's distribution and do not bring, by Debian's names. */
const needs: Readonly<Record<Package['origin'], Readonly<Record<string, readonly string[]>>>> = {
  pypi: {
    'opencv-python': ['libgl1', 'libglib2.0-0'],
    'opencv-contrib-python': ['libgl1', 'libglib2.0-0'],
    'opencv-python-headless': ['libglib2.0-0'],
    lightgbm: ['libgomp1'],
    soundfile: ['libsndfile1'],
    librosa: ['libsndfile1', 'ffmpeg'],
    pydub: ['ffmpeg'],
    graphviz: ['graphviz'],
    pydot: ['graphviz'],
    pygraphviz: ['graphviz', 'libgraphviz-dev', 'pkg-config'],
    pytesseract: ['tesseract-ocr'],
    pdf2image: ['poppler-utils'],
    weasyprint: ['libpango-1.0-0', 'libpangoft2-1.0-0'],
    cairosvg: ['libcairo2'],
    pycairo: ['libcairo2-dev', 'pkg-config'],
    'python-magic': ['libmagic1'],
    vtk: ['libgl1', 'libxrender1'],
    pyvista: ['libgl1', 'libxrender1'],
    open3d: ['libgl1', 'libgomp1', 'libx11-6'],
    mujoco: ['libgl1', 'libegl1'],
    rdkit: ['libxrender1', 'libxext6', 'libexpat1'],
    'box2d-py': ['swig'],
    pyaudio: ['portaudio19-dev'],
    psycopg2: ['libpq-dev'],
    mysqlclient: ['default-libmysqlclient-dev', 'pkg-config'],
    mpi4py: ['libopenmpi-dev'],
    gdal: ['libgdal-dev'],
  },
  cran: {
    curl: ['libcurl4-openssl-dev'],
    openssl: ['libssl-dev'],
    xml2: ['libxml2-dev'],
    xml: ['libxml2-dev'],
    stringi: ['libicu-dev'],
    systemfonts: ['libfontconfig1-dev', 'libfreetype6-dev'],
    textshaping: ['libharfbuzz-dev', 'libfribidi-dev'],
    ragg: ['libpng-dev', 'libtiff5-dev', 'libjpeg-dev'],
    png: ['libpng-dev'],
    jpeg: ['libjpeg-dev'],
    sf: ['libgdal-dev', 'libgeos-dev', 'libproj-dev', 'libudunits2-dev'],
    units: ['libudunits2-dev'],
    gert: ['libgit2-dev'],
    sodium: ['libsodium-dev'],
    rcurl: ['libcurl4-openssl-dev'],
  },
  npm: {
    canvas: ['libcairo2', 'libpango-1.0-0', 'libjpeg62-turbo', 'libgif7', 'librsvg2-2'],
  },
  conda: {},
  other: {},
};

/** Packages of PyPI that have no wheels for Linux, or need a compiler for what they do when they run. */
const compiled = new Set([
  'apex',
  'box2d-py',
  'causal-conv1d',
  'deepspeed',
  'detectron2',
  'fairseq',
  'flash-attn',
  'gdal',
  'mamba-ssm',
  'mpi4py',
  'mysqlclient',
  'pyaudio',
  'pycairo',
  'pycuda',
  'pygraphviz',
  'psycopg2',
  'python-ldap',
]);

export function systemPackagesFor(packages: readonly Package[]): string[] {
  const found = packages.flatMap(({ name, origin, isGit }) => [
    ...(Object.hasOwn(needs[origin], name) ? (needs[origin][name] ?? []) : []),
    ...(isGit ? ['git'] : []),
  ]);
  return [...new Set(found)].sort();
}

export function isCompiledPackage({ name, origin, isSource }: Package): boolean {
  return isSource || (origin === 'pypi' && compiled.has(name));
}
