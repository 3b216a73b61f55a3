import time

# @hpo.objective loss min
x = 0.5  # @hpo float(0, 1)
time.sleep(1)
print(f"loss={x}")
