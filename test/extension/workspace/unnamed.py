"""Does not say what to improve, but prints one metric."""

# @hpo.search trials=2 parallel=2 sampler=random scheduler=none seed=1

x = 0.5  # @hpo float(0, 1)

print(f"val_acc={1 - x}")
