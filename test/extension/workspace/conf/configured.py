"""Reads its values from a config file."""

import pathlib

# @hpo.objective loss min
# @hpo.search trials=3 parallel=2 sampler=random scheduler=none seed=1
# @hpo.include model.yaml

text = pathlib.Path(__file__).with_name("model.yaml").read_text()
lines = (line.split("#")[0].split(":") for line in text.splitlines() if ":" in line.split("#")[0])
values = {name.strip(): float(value) for name, value in lines}
print(f"loss={abs(values['rate'] - 0.01) + abs(values['depth'] - 4)}")
