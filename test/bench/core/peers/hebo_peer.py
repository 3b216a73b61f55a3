"""HEBO: warped Gaussian process, ensemble of acquisitions. It has no conditions: what is inactive is dropped when run."""

import numpy as np
import torch
from driver import active_only, serve
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO


class HeboPeer:
    version = "0.3.6"

    def __init__(self, method, parameters, seed, trials, workers):
        np.random.seed(seed)
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self.parameters = parameters
        self.hebo = HEBO(DesignSpace().parse([dimension(parameter) for parameter in parameters]), scramble_seed=seed)

    def ask(self):
        point = self.hebo.suggest(n_suggestions=1)
        row = {name: getattr(value, "item", lambda: value)() for name, value in point.iloc[0].to_dict().items()}
        params = {p["name"]: native(p["distribution"], row[p["name"]]) for p in self.parameters}
        return point, active_only(self.parameters, params)

    def tell(self, point, loss):
        self.hebo.observe(point, np.array([[loss]]))


def dimension(parameter):
    name, d = parameter["name"], parameter["distribution"]
    if d["type"] == "float":
        kind = {"type": "pow", "base": 10} if d["log"] else {"type": "num"}
        return {"name": name, "lb": d["low"], "ub": d["high"], **kind}
    if d["type"] == "int":
        kind = {"type": "pow_int", "base": 10} if d["log"] else {"type": "int"}
        return {"name": name, "lb": d["low"], "ub": d["high"], **kind}
    if d["type"] == "ordinal":
        return {"name": name, "type": "int", "lb": 0, "ub": len(d["choices"]) - 1}
    return {"name": name, "type": "cat", "categories": [str(k) for k in range(len(d["choices"]))]}


def native(d, value):
    if "choices" in d:
        return d["choices"][int(value)]
    return min(max(int(round(value)) if d["type"] == "int" else float(value), d["low"]), d["high"])


serve(HeboPeer)
