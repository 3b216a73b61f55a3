from work import evaluate

# @hpo.objective loss min
x = 0.5   # @hpo float(-5, 5)
y = 0.1   # @hpo float(1e-4, 1, log)
k = 5     # @hpo int(1, 8)

evaluate(x, y, k, lambda step, loss: print(f"epoch {step} loss={loss!r}", flush=True))
