const minimised = new Set([
  'loss',
  'error',
  'err',
  'mse',
  'rmse',
  'mae',
  'mape',
  'rmsle',
  'nll',
  'ppl',
  'perplexity',
  'bpc',
  'bpb',
  'wer',
  'cer',
  'fid',
  'kl',
  'logloss',
  'brier',
  'regret',
  'cost',
  'distance',
  'deviance',
  'crossentropy',
  'entropy',
  'latency',
  'eer',
  'hinge',
]);
const maximised = new Set([
  'acc',
  'accuracy',
  'auc',
  'auroc',
  'auprc',
  'roc',
  'f1',
  'fbeta',
  'r2',
  'score',
  'precision',
  'recall',
  'map',
  'ndcg',
  'mrr',
  'bleu',
  'rouge',
  'iou',
  'miou',
  'dice',
  'jaccard',
  'reward',
  'return',
  'psnr',
  'ssim',
  'kappa',
  'mcc',
  'sensitivity',
  'specificity',
  'throughput',
  'likelihood',
  'loglikelihood',
  'top1',
  'top5',
  'ap',
  'hits',
  'elbo',
  'accuracies',
  'correlation',
  'spearman',
  'pearson',
]);

/** Whether a metric of this name is to be made small or large; null where its name does not tell (rule 7). */
export function metricDirection(name: string): 'min' | 'max' | null {
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  // scikit-learn negates its errors so that larger is better: neg_mean_squared_error.
  const isNegated = words.some((word) => word === 'neg' || word === 'negative') && !words.includes('likelihood');
  if (words.includes('negative') && words.includes('likelihood')) return 'min';
  for (const word of words.toReversed()) {
    if (minimised.has(word)) return isNegated ? 'max' : 'min';
    if (maximised.has(word)) return isNegated ? 'min' : 'max';
  }
  return null;
}
