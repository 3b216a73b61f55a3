"""Runs long enough to be paused and stopped by hand."""

import time

# @hpo.objective loss min
# @hpo.search trials=200 parallel=2 sampler=random scheduler=none seed=1

x = 0.5  # @hpo float(0, 1)

for step in range(1, 301):
    time.sleep(0.1)
    print(f"step {step} loss={x + 1 / step:.4f}", flush=True)
