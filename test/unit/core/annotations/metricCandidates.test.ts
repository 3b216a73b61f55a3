import { describe, expect, test } from 'vitest';
import { metricCandidates } from '../../../../agent/core/annotations/index.ts';
import { createMetricParser } from '../../../../agent/metrics/index.ts';

const namesIn = (source: string): string[] => metricCandidates(source, 'train.py').map(({ metric }) => metric);

/** What is read from this output; `expected` are names that the study knows. */
function namesRead(output: string, expected: readonly string[] = []): readonly string[] {
  const parser = createMetricParser({ sources: [], expected });
  parser.push(Buffer.from(`${output}\n`));
  parser.end();
  return parser.namesSeen;
}

describe('a metric is proposed by the name that will be read when the line is printed', () => {
  test.each([
    ['print(f"val_loss={x}")', 'val_loss=0.5', ['val_loss']],
    ['print(f"Val Loss: {x:.3f}")', 'Val Loss: 0.500', ['Val_Loss']],
    [
      'print(f"epoch {e}: Train Loss: {a}, Val Loss: {b}")',
      'epoch 1: Train Loss: 0.5, Val Loss: 0.6',
      ['Train_Loss', 'Val_Loss'],
    ],
    ['print("Val Loss:", x)', 'Val Loss: 0.5', ['Val_Loss']],
    ['print("Test acc = %.2f%%" % x)', 'Test acc = 98.10%', ['Test_acc']],
    ['print("\\tval accuracy: {:.1f}".format(x))', '\tval accuracy: 0.5', ['val_accuracy']],
    ['print(f"\\nloss: {x}\\n")', '\nloss: 0.5\n', ['loss']],
    ['print(f"[Val] loss: {x}")', '[Val] loss: 0.5', ['loss']],
    ['print(f"Train/Val loss: {x}")', 'Train/Val loss: 0.5', ['loss']],
    ['print(f"mean loss: {x}")', 'mean loss: 0.5', ['loss']],
    ['print(f"valid_0\'s auc: {x}")', "valid_0's auc: 0.5", ['valid_0-auc']],
    ['print(f"val/auc: {x} train/auc: {y}")', 'val/auc: 0.5 train/auc: 0.6', ['val/auc', 'train/auc']],
    ['print(f"{loss=:.3f} Val {acc=}")', 'loss=0.500 Val acc=0.5', ['loss', 'Val_acc']],
    ['print(f"{self.loss=}")', 'self.loss=0.5', ['self.loss']],
    ['print({"val_loss": x, "inner": {"f1": y}})', "{'val_loss': 0.5, 'inner': {'f1': 0.6}}", ['val_loss', 'inner.f1']],
    ['print(json.dumps({"epoch": e, "acc": x}))', '{"epoch": 1, "acc": 0.5}', ['acc']],
    ['print(\'{"rmse": %f}\' % x)', '{"rmse": 0.500000}', ['rmse']],
    ['print("{\\"rmse\\": %f}" % x)', '{"rmse": 0.500000}', ['rmse']],
    ['print("loss: " + str(x))', 'loss: 0.5', ['loss']],
    ['print(f"loss: {x:{width}.3f}; acc: {y}.")', 'loss:  0.500; acc: 0.6.', ['loss', 'acc']],
    ['logging.info("mae=%.4f rmse=%.4f", a, b)', 'INFO:root:mae=0.5000 rmse=0.6000', ['mae', 'rmse']],
  ])('%s', (source, output, names) => {
    expect(namesIn(source).toSorted()).toEqual(names.toSorted());
    expect(namesRead(output).toSorted()).toEqual(names.toSorted());
  });

  test.each([
    ['print("val_loss", x)', 'val_loss 0.5', 'val_loss'],
    ['print("Val Loss", x)', 'Val Loss 0.5', 'Val_Loss'],
    ['print("epoch", e, "accuracy", x)', 'epoch 1 accuracy 0.5', 'accuracy'],
  ])('%s, once the study knows the name', (source, output, name) => {
    expect(namesIn(source)).toEqual([name]);
    expect(namesRead(output)).toEqual([]);
    expect(namesRead(output, [name])).toEqual([name]);
  });
});

describe('what will not be read is not proposed', () => {
  test.each([
    ['print(f"done={a}/{b}")', 'done=1/10'],
    ['print(f"took={t}ms")', 'took=5ms'],
    ['print(f"pair={a},{b}")', 'pair=1,2'],
    ['print(f"train.py:{line}")', 'train.py:12'],
    ['print(f"run/time: {t} my.eta={s}")', 'run/time: 5 my.eta=3'],
    ['print(f": {x}")', ': 0.5'],
    ['print(f"5fold: {x}")', '5fold: 0.5'],
  ])('%s', (source, output) => {
    expect(namesIn(source)).toEqual([]);
    expect(namesRead(output)).toEqual([]);
  });

  test.each(['print(f"{split}_loss={x}")', 'print("%s_loss=%f" % (split, x))', 'print(f"{name}: {x}")'])(
    'nor a name that is only known as it runs: %s',
    (source) => expect(namesIn(source)).toEqual([]),
  );
});
