/**
 * Finds out which step of the training a line speaks of.
 *
 * - A word and a number: `Epoch 3/10`, `step=300`, `"iteration": 7`, `[12]` as boosters print it, or the position of a
 *   progress bar. The number holds for the following lines that name none.
 * - Where several words are used, the coarsest counts: within `Epoch 3` a line `step 1200` still belongs to epoch 3.
 * - Steps count from 1. A script whose first number is 0 counts from 0, and one is added to all its numbers.
 * - A number with a decimal point is an amount of training done, as Hugging Face's Trainer prints it: it belongs to the
 *   epoch under way (0.53 → 1, 2.99 → 3), and 0.0 is before any training.
 */
export class StepReader {
  readonly #given: boolean | undefined;
  /** Per rank, since a script may count epochs from 1 and batches from 0. */
  readonly #countsFromZero = new Map<number, boolean>();
  #rank = 0;
  #step: number | null = null;

  constructor(startsAtZero: boolean | undefined) {
    this.#given = startsAtZero;
  }

  /** Undefined until the first step. */
  get startsAtZero(): boolean | undefined {
    const coarsest = Math.max(...this.#countsFromZero.keys());
    return this.#given ?? this.#countsFromZero.get(coarsest);
  }

  /** The step of the line, or the one that an earlier line named, or null. */
  read(text: string, hasValues: boolean): number | null {
    let rank = 0;
    let number = '';
    stepWord.lastIndex = 0;
    for (let match = hasStepWord.test(text) ? stepWord.exec(text) : null; match !== null; match = stepWord.exec(text)) {
      const found = ranks.get((match[1] ?? '').toLowerCase()) ?? 0;
      if (found > rank) {
        rank = found;
        number = match[2] ?? '';
      }
    }
    if (rank === 0 && hasValues) {
      number =
        leadingNumber
          .exec(text)
          ?.slice(1)
          .find((group) => group !== undefined) ?? '';
      if (number !== '') rank = boosterRank;
    }
    if (rank === 0 && hasValues && this.#step === null) {
      const position = text.includes('%|') ? barPosition.exec(text)?.[1] : undefined;
      return position === undefined ? null : Math.max(1, Number(position));
    }
    if (rank === 0 || rank < this.#rank) return this.#step;
    this.#rank = rank;
    this.#step = this.#normalise(number, rank);
    return this.#step;
  }

  /** The step for a number that an annotated pattern found. */
  annotated(text: string): number | null {
    return /^\d+(?:\.\d+)?$/.test(text) ? this.#normalise(text, annotatedRank) : null;
  }

  #normalise(text: string, rank: number): number {
    // The slack forgives sums such as 1.0000000002.
    if (text.includes('.')) return Math.ceil(Number(text) - 1e-6) + 0;
    const number = Number(text);
    if (!this.#countsFromZero.has(rank)) this.#countsFromZero.set(rank, this.#given ?? number === 0);
    return this.#countsFromZero.get(rank) === true ? number + 1 : number;
  }
}

const annotatedRank = 9;
const boosterRank = 2;
const ranks = new Map([
  ['epoch', 3],
  ['round', 2],
  ['iteration', 2],
  ['iter', 2],
  ['step', 1],
  ['global_step', 1],
]);

/** Decides quickly over most lines. */
const hasStepWord = /epoch|round|iter|step/i;
/** Not `best epoch: 3`, which looks back, nor `epochs`, `5ms/step` or `step 5ms`. */
const stepWord =
  /(?<![A-Za-z0-9_])(?<!best )(epoch|round|iteration|iter|step|global_step)(?:\(\w{1,12}\))?["']?[ \t]{0,8}[:=#]?[ \t]{0,8}[[(]?["']?(\d{1,15}(?:\.\d{1,15})?)(?![\dA-Za-z_%])/gi;
/** `[12]\ttrain-rmse:0.4` of XGBoost and LightGBM, `12:\tlearn: 0.4` of CatBoost. */
const leadingNumber = /^\s{0,8}(?:\[(\d{1,15})\]\s|(\d{1,15}):\t)/;
/** `12/100 [00:10<01:00, 1.2it/s, loss=0.4]` */
const barPosition = /(\d{1,15})\/\d{1,15} \[/;
