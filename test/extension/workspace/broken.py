"""Every trial fails for the same reason."""

# @hpo.objective loss min
# @hpo.search trials=6 parallel=2 sampler=random scheduler=none seed=1

x = 0.5  # @hpo float(0, 1)

print(f"starting with {x}")
open("missing/train.csv")
