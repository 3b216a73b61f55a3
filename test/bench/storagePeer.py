"""Optuna's side of the storage bench: ask with five parameters, five reports, tell; prints trials per second as JSON.
usage: storagePeer.py KIND PATH SECONDS, KIND one of memory, journal, sqlite; or open PATH STUDY: seconds to read all trials."""

import json
import sys
import time

import optuna
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage(kind, path):
    if kind == "memory":
        return InMemoryStorage()
    return JournalStorage(JournalFileBackend(path)) if kind == "journal" else RDBStorage(f"sqlite:///{path}")


def rate(kind, path, seconds):
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(storage=storage(kind, path), sampler=sampler, pruner=optuna.pruners.NopPruner())
    start = time.perf_counter()
    n_trials = 0
    while time.perf_counter() - start < seconds:
        n_trials += 1
        trial = study.ask()
        for name in "abcd":
            trial.suggest_float(name, 1e-5, 1.0, log=True)
        trial.suggest_categorical("e", ["x", "y", "z"])
        for step in range(5):
            trial.report(1.0 / (step + 1), step)
        study.tell(trial, 0.2)
    return n_trials / (time.perf_counter() - start)


kind, path, argument = sys.argv[1:]
if kind == "open":
    start = time.perf_counter()
    trials = optuna.load_study(study_name=argument, storage=f"sqlite:///{path}").trials
    json.dump({"seconds": time.perf_counter() - start, "trials": len(trials)}, sys.stdout)
else:
    json.dump({"rate": rate(kind, path, float(argument))}, sys.stdout)
