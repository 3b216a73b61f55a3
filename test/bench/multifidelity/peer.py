"""Peers for the multi-fidelity benchmark: JSON lines on stdin, one answer a line on stdout; losses are minimised.

{"id": 1, "create": {"method": "Optuna TPE + MedianPruner", "parameters": [...], "fidelity": {"min": 2, "max": 51}, "seed": 1}}
{"id": 2, "ask": {}} -> {"id": 2, "trial": {"number": 0, "params": {...}, "resource": 51}}
{"id": 3, "report": {"number": 0, "step": 2, "loss": 0.4}} -> {"id": 3, "decision": "continue" | "stop"}
{"id": 4, "tell": {"number": 0, "state": "complete" | "pruned", "loss": 0.3}} -> {"id": 4, "ok": true}

Settings are the packages' own; what a script would be told of its resource (range, reduction factor 3) each of them is told.
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")


class Optuna:
    def __init__(self, method, parameters, fidelity, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        low, high = fidelity["min"], fidelity["max"]
        pruners = {
            "TPE": optuna.pruners.NopPruner,
            "TPE + MedianPruner": optuna.pruners.MedianPruner,
            "TPE + SuccessiveHalvingPruner": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=low, reduction_factor=3),
            "TPE + HyperbandPruner": lambda: optuna.pruners.HyperbandPruner(min_resource=low, max_resource=high, reduction_factor=3),
        }
        self.optuna = optuna
        self.resource = high
        self.distributions = {one["name"]: self.distribution(one["distribution"]) for one in parameters}
        self.study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruners[method](), direction="minimize"
        )
        self.running = {}

    def distribution(self, given):
        kinds = self.optuna.distributions
        if given["type"] == "float":
            return kinds.FloatDistribution(given["low"], given["high"], log=given["log"])
        if given["type"] == "int":
            return kinds.IntDistribution(given["low"], given["high"], log=given["log"])
        return kinds.CategoricalDistribution(given["choices"])

    def ask(self):
        trial = self.study.ask(self.distributions)
        self.running[trial.number] = trial
        return {"number": trial.number, "params": trial.params, "resource": self.resource}

    def report(self, number, step, loss):
        trial = self.running[number]
        trial.report(loss, step)
        return "stop" if trial.should_prune() else "continue"

    def tell(self, number, state, loss):
        states = self.optuna.trial.TrialState
        trial = self.running.pop(number)
        if state == "complete":
            self.study.tell(trial, loss)
        else:
            self.study.tell(trial, state=states.PRUNED)


class SyneTune:
    def __init__(self, method, parameters, fidelity, seed):
        import logging

        logging.disable(logging.WARNING)
        from syne_tune.backend.trial_status import Trial
        from syne_tune.optimizer import baselines

        self.Trial = Trial
        self.resource = fidelity["max"]
        self.scheduler = baselines.ASHA(
            config_space={one["name"]: self.domain(one["distribution"]) for one in parameters},
            metric="loss",
            time_attr="step",
            max_t=fidelity["max"],
            grace_period=fidelity["min"],
            reduction_factor=3,
            do_minimize=True,
            random_seed=seed,
        )
        self.running = {}
        self.number = 0

    @staticmethod
    def domain(given):
        from syne_tune import config_space

        kind = given["type"]
        if kind in ("float", "int"):
            make = {
                ("float", False): config_space.uniform,
                ("float", True): config_space.loguniform,
                ("int", False): config_space.randint,
                ("int", True): config_space.lograndint,
            }[(kind, given["log"])]
            return make(given["low"], given["high"])
        if kind == "ordinal":
            return config_space.ordinal(given["choices"])
        return config_space.choice(given["choices"])

    def ask(self):
        import datetime

        suggestion = self.scheduler.suggest()
        number = self.number
        self.number += 1
        trial = self.Trial(trial_id=number, config=suggestion.config, creation_time=datetime.datetime.now())
        self.running[number] = trial
        self.scheduler.on_trial_add(trial)
        params = {name: getattr(value, "item", lambda: value)() for name, value in suggestion.config.items()}
        return {"number": number, "params": params, "resource": self.resource}

    def report(self, number, step, loss):
        decision = self.scheduler.on_trial_result(self.running[number], {"loss": loss, "step": step})
        return "stop" if decision == "STOP" and step < self.resource else "continue"

    def tell(self, number, state, loss):
        trial = self.running.pop(number)
        if state == "complete":
            self.scheduler.on_trial_complete(trial, {"loss": loss, "step": self.resource})
        else:
            self.scheduler.on_trial_remove(trial)


def main():
    method = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "create" in request:
                settings = request["create"]
                package, _, name = settings.pop("method").partition(" ")
                if package == "Syne":
                    package, name = "Syne Tune", name.removeprefix("Tune ")
                method = {"Optuna": Optuna, "Syne Tune": SyneTune}[package](name, **settings)
                answer = {"ok": True}
            elif "ask" in request:
                answer = {"trial": method.ask()}
            elif "report" in request:
                answer = {"decision": method.report(**request["report"])}
            else:
                method.tell(**request["tell"])
                answer = {"ok": True}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"id": request["id"], **answer}), flush=True)


main()
