"""A training script that needs nothing but Python: its loss is a valley with one lowest point."""

import time

# @hpo.objective val_loss min
# @hpo.search trials=6 parallel=2 sampler=random scheduler=none seed=7

# The step size.
lr = 0.5  # @hpo float(1e-4, 1, log)
width = 8  # @hpo int(1, 64)
kind = "plain"  # @hpo choice("plain", "fancy")
epochs = 4

for epoch in range(1, epochs + 1):
    time.sleep(0.15)
    distance = abs(lr - 0.003) + abs(width - 20) / 100 + (0.1 if kind == "plain" else 0)
    print(f"epoch {epoch} val_loss={distance + 1 / epoch:.4f}", flush=True)
