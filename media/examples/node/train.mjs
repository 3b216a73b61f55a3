// Learns from which cultivar a wine is, by softmax regression.
//
//     LEARNING_RATE=0.05 node train.mjs
//
// An ordinary program: what may be tuned, and how far, stands in hpo.yml, and arrives as variables.
import { readFileSync } from 'node:fs';

const number = (name, usual) => Number(process.env[name] ?? usual);
const learningRate = number('LEARNING_RATE', 0.05);
const momentum = number('MOMENTUM', 0.5);
const decay = number('WEIGHT_DECAY', 0.001);
const epochs = number('EPOCHS', 60);

const rows = readFileSync(new URL('wine.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1);
const wines = rows.map((row) => row.split(',').map(Number));
const nFeatures = 13;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
for (let column = 0; column < nFeatures; column++) {
  const center = mean(wines.map((wine) => wine[column]));
  const spread = Math.sqrt(mean(wines.map((wine) => (wine[column] - center) ** 2)));
  for (const wine of wines) wine[column] = (wine[column] - center) / spread;
}
// Every fourth wine is only looked at, never learned from.
const validation = wines.filter((_, i) => i % 4 === 0);
const training = wines.filter((_, i) => i % 4 !== 0);

const weights = Array.from({ length: 3 }, () => new Float64Array(nFeatures + 1));
const speeds = Array.from({ length: 3 }, () => new Float64Array(nFeatures + 1));

function predict(wine) {
  const scores = weights.map((row) => Math.exp(row.reduce((sum, weight, i) => sum + weight * (i < nFeatures ? wine[i] : 1), 0)));
  const sum = scores[0] + scores[1] + scores[2];
  return scores.map((score) => score / sum);
}

for (let epoch = 1; epoch <= epochs; epoch++) {
  for (const wine of training) {
    const predicted = predict(wine);
    for (const [cultivar, row] of weights.entries()) {
      const error = predicted[cultivar] - (wine[nFeatures] === cultivar ? 1 : 0);
      for (let i = 0; i <= nFeatures; i++) {
        const gradient = error * (i < nFeatures ? wine[i] : 1) + decay * row[i];
        speeds[cultivar][i] = momentum * speeds[cultivar][i] - learningRate * gradient;
        row[i] += speeds[cultivar][i];
      }
    }
  }
  const loss = mean(validation.map((wine) => -Math.log(Math.max(predict(wine)[wine[nFeatures]], 1e-12))));
  console.log(`epoch ${epoch} val_loss=${loss.toFixed(6)}`);
}
