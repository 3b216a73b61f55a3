"""Optuna's samplers. What has an order goes in as the index of its value, which is the best form that they have for it."""

import optuna
from driver import is_active, serve
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

optuna.logging.set_verbosity(optuna.logging.ERROR)


class OptunaPeer:
    version = optuna.__version__

    def __init__(self, method, parameters, seed, trials, workers):
        samplers = {
            "optuna-random": lambda: optuna.samplers.RandomSampler(seed=seed),
            "optuna-qmc": lambda: optuna.samplers.QMCSampler(seed=seed, scramble=True),
            "optuna-tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
            "optuna-tpe4": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False),
            "optuna-gp": lambda: optuna.samplers.GPSampler(seed=seed),
            "optuna-cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed),
        }
        self.parameters = parameters
        self.study = optuna.create_study(sampler=samplers[method]())

    def ask(self):
        trial = self.study.ask()
        params = {}
        for parameter in self.parameters:
            if is_active(parameter, params):
                value = trial._suggest(parameter["name"], distribution(parameter["distribution"]))
                ordinal = parameter["distribution"]["type"] == "ordinal"
                params[parameter["name"]] = parameter["distribution"]["choices"][value] if ordinal else value
        return trial, params

    def tell(self, trial, loss):
        self.study.tell(trial, loss)

    def add(self, params, loss):
        """Only for spaces without ordinals and conditions."""
        distributions = {parameter["name"]: distribution(parameter["distribution"]) for parameter in self.parameters}
        self.study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=loss))


def distribution(d):
    if d["type"] == "float":
        return FloatDistribution(d["low"], d["high"], log=d["log"])
    if d["type"] == "int":
        return IntDistribution(d["low"], d["high"], log=d["log"])
    if d["type"] == "ordinal":
        return IntDistribution(0, len(d["choices"]) - 1)
    return CategoricalDistribution(d["choices"])


serve(OptunaPeer)
