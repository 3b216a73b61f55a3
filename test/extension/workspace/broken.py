"""Every trial fails for the same reason, until it is tried again."""

import os

# @hpo.objective loss min
# @hpo.search trials=6 parallel=2 sampler=random scheduler=none seed=1

x = 0.5  # @hpo float(0, 1)

print(f"starting with {x}")
if os.environ["HPO_ATTEMPT"] == "1":
    open("missing/train.csv")
print(f"loss={x}")
