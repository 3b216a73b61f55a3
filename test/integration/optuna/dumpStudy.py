"""Prints one study of a database as Optuna sees it, as JSON. usage: dumpStudy.py DATABASE STUDY"""

import json
import math
import sys

import optuna
from optuna.distributions import distribution_to_json

optuna.logging.set_verbosity(optuna.logging.ERROR)


def named(value):
    """NaN and the infinities by their names, as the journal has them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def line(trial):
    return {
        "number": trial.number,
        "state": trial.state.name,
        "params": trial.params,
        "distributions": {name: json.loads(distribution_to_json(d)) for name, d in trial.distributions.items()},
        "values": None if trial.values is None else [named(value) for value in trial.values],
        "intermediate": {str(step): named(value) for step, value in trial.intermediate_values.items()},
        "start": None if trial.datetime_start is None else trial.datetime_start.timestamp() * 1000,
        "complete": None if trial.datetime_complete is None else trial.datetime_complete.timestamp() * 1000,
        "userAttributes": trial.user_attrs,
        "constraints": list(trial.constraints.values()),
    }


database, name = sys.argv[1:]
study = optuna.load_study(study_name=name, storage=f"sqlite:///{database}")
try:
    best = study.best_trial.number
except (ValueError, RuntimeError):
    best = None
json.dump(
    {
        "studies": sorted(optuna.get_all_study_names(f"sqlite:///{database}")),
        "directions": [direction.name for direction in study.directions],
        "metricNames": study.metric_names,
        "userAttributes": study.user_attrs,
        "best": best,
        "trials": [line(trial) for trial in study.trials],
    },
    sys.stdout,
)
