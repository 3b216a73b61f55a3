import time

print(f"began {time.time():.4f}", flush=True)

# @hpo.objective loss min
# @hpo.search trials=1 parallel=1 sampler=random scheduler=none seed=1

import six

x = 0.5  # @hpo float(0, 1)

print(f"loss={x} six={six.__version__}")
