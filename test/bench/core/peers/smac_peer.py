"""SMAC3's facade for hyperparameters: random forest, log expected improvement, conditions as such."""

import logging
import tempfile
from importlib.metadata import version
from pathlib import Path

from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    InCondition,
    Integer,
    NotEqualsCondition,
    OrdinalHyperparameter,
)
from driver import condition_values, serve
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialValue


class SmacPeer:
    version = version("smac")

    def __init__(self, method, parameters, seed, trials, workers):
        self.choices = {p["name"]: p["distribution"].get("choices") for p in parameters}
        space = ConfigurationSpace(seed=seed)
        space.add([hyperparameter(parameter) for parameter in parameters])
        space.add([condition(space, parameter, self.choices) for parameter in parameters if parameter["when"] is not None])
        self.folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            space, n_trials=trials, seed=seed, deterministic=True, output_directory=Path(self.folder.name), n_workers=1
        )
        self.smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=logging.ERROR
        )

    def ask(self):
        info = self.smac.ask()
        params = {}
        for name, value in dict(info.config).items():
            choices = self.choices[name]
            params[name] = getattr(value, "item", lambda: value)() if choices is None else choices[int(value)]
        return info, params

    def tell(self, info, loss):
        self.smac.tell(info, TrialValue(cost=loss, time=0.0))


def hyperparameter(parameter):
    """Choices go in as their index, so that any value can be one."""
    name, d = parameter["name"], parameter["distribution"]
    if d["type"] == "float":
        return Float(name, (d["low"], d["high"]), log=d["log"])
    if d["type"] == "int":
        return Integer(name, (d["low"], d["high"]), log=d["log"])
    indices = list(range(len(d["choices"])))
    return OrdinalHyperparameter(name, indices) if d["type"] == "ordinal" else Categorical(name, indices)


def condition(space, parameter, choices):
    parent, operator, values = condition_values(parameter["when"])
    indices = [choices[parent].index(value) for value in values]
    child, parent = space[parameter["name"]], space[parent]
    if operator == "!=":
        return NotEqualsCondition(child, parent, indices[0])
    return EqualsCondition(child, parent, indices[0]) if len(indices) == 1 else InCondition(child, parent, indices)


serve(SmacPeer)
