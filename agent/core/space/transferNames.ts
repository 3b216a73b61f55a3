/**
 * The name in `from` that means the same as each name of `to`; those without one are left out. Equal names first, then names that
 * differ in case and separators only (`learningRate`, `learning-rate`), then a path's last part (`optimizer.lr` and `lr`), then the
 * synonyms below. Whatever fits two names of either side is nobody's.
 */
export function matchNames(to: readonly string[], from: readonly string[]): Map<string, string> {
  const matches = new Map<string, string>();
  const taken = new Set<string>();
  const keys: readonly ((name: string) => string)[] = [(name) => name, plain, lastPart, meaning];
  for (const key of keys) {
    const open = uniqueBy(
      from.filter((name) => !taken.has(name)),
      key,
    );
    const wanted = uniqueBy(
      to.filter((name) => !matches.has(name)),
      key,
    );
    for (const [text, name] of wanted) {
      const source = open.get(text);
      if (source === undefined) continue;
      matches.set(name, source);
      taken.add(source);
    }
  }
  return matches;
}

/** Names of one thing, in lower case and without separators. Only such as no library uses for two things. */
const synonyms: readonly (readonly string[])[] = [
  ['lr', 'learningrate', 'eta', 'learningrateinit'],
  ['bs', 'batchsize', 'trainbatchsize', 'perdevicetrainbatchsize'],
  ['wd', 'weightdecay'],
  ['epochs', 'nepochs', 'numepochs', 'numtrainepochs', 'maxepochs'],
  ['dropout', 'dropoutrate', 'dropoutp', 'pdropout'],
  ['optimizer', 'optim', 'optimiser'],
  ['activation', 'act', 'activationfn', 'activationfunction'],
  ['nlayers', 'numlayers', 'layers'],
  ['nheads', 'numheads', 'heads', 'nhead', 'numattentionheads'],
  ['hiddensize', 'hiddendim', 'nhidden', 'hiddenunits'],
  ['beta1', 'adambeta1'],
  ['beta2', 'adambeta2'],
  ['warmupsteps', 'nwarmupsteps', 'numwarmupsteps'],
  ['nestimators', 'ntrees', 'numtrees', 'numboostround', 'numiterations', 'nrounds'],
  ['minchildweight', 'minsumhessianinleaf'],
  ['minchildsamples', 'mindatainleaf', 'minsamplesleaf'],
  ['colsamplebytree', 'featurefraction'],
  ['subsample', 'baggingfraction'],
  ['regalpha', 'lambdal1'],
  ['reglambda', 'lambdal2'],
  // Metrics.
  ['valloss', 'validationloss', 'evalloss', 'devloss'],
  ['valacc', 'valaccuracy', 'validationaccuracy', 'validationacc', 'evalaccuracy'],
  ['acc', 'accuracy'],
  ['testacc', 'testaccuracy'],
  ['auc', 'rocauc', 'auroc'],
  ['f1', 'f1score'],
  ['mse', 'meansquarederror'],
  ['mae', 'meanabsoluteerror'],
];

const meanings: ReadonlyMap<string, string> = new Map(
  synonyms.flatMap((names) => names.map((name): [string, string] => [name, names[0] ?? name])),
);

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_\-\s]/gu, '');
}

function lastPart(name: string): string {
  return plain(name.slice(name.lastIndexOf('.') + 1));
}

function meaning(name: string): string {
  return meanings.get(lastPart(name)) ?? lastPart(name);
}

/** By key, the names that have it alone. */
function uniqueBy(names: readonly string[], key: (name: string) => string): Map<string, string> {
  const found = new Map<string, string | null>();
  for (const name of names) found.set(key(name), found.has(key(name)) ? null : name);
  return new Map([...found].filter((entry): entry is [string, string] => entry[1] !== null));
}
