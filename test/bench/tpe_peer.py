"""Optuna's TPESampler behind JSON lines: {"create": ...}, {"ask": {}}, {"tell": {"value"}}, each answered by one line."""

import json
import sys
import time
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")


def suggest(trial, parameter):
    name, d = parameter["name"], parameter["distribution"]
    if d["type"] == "float":
        return trial.suggest_float(name, d["low"], d["high"], log=d["log"])
    if d["type"] == "int":
        return trial.suggest_int(name, d["low"], d["high"], log=d["log"])
    return trial.suggest_categorical(name, d["choices"])


def distribution(d):
    if d["type"] == "float":
        return FloatDistribution(d["low"], d["high"], log=d["log"])
    if d["type"] == "int":
        return IntDistribution(d["low"], d["high"], log=d["log"])
    return CategoricalDistribution(d["choices"])


study = parameters = trial = None
for line in sys.stdin:
    request = json.loads(line)
    if "create" in request:
        parameters = request["create"]["parameters"]
        options = request["create"].get("options", {})
        sampler = optuna.samplers.TPESampler(seed=request["create"]["seed"], multivariate=True, constant_liar=True, **options)
        study = optuna.create_study(sampler=sampler)
        # A history for timing the next ask; no parameter of it is conditional.
        for params, value in request["create"].get("history", []):
            distributions = {p["name"]: distribution(p["distribution"]) for p in parameters}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
        answer = {"version": optuna.__version__}
    elif "ask" in request:
        start = time.perf_counter()
        trial = study.ask()
        params = {}
        for parameter in parameters:
            # The conditions are those of the problems beside this file.
            if parameter["when"] is None or eval(parameter["when"], {}, params):
                params[parameter["name"]] = suggest(trial, parameter)
        answer = {"params": params, "ms": (time.perf_counter() - start) * 1000}
    else:
        study.tell(trial, request["tell"]["value"])
        answer = {}
    print(json.dumps(answer), flush=True)
