# @hpo.objective loss min
x = 0.5  # @hpo float(0, 1)
print(f"loss={x}")
