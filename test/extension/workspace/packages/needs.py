"""Needs a package that is not everywhere."""

import six

# @hpo.objective loss min
# @hpo.search trials=2 parallel=2 sampler=random scheduler=none seed=1

x = 0.5  # @hpo float(0, 1)

print(f"six {six.__version__} loss={x}")
