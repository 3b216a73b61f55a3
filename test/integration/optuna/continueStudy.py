"""Goes on with a study as an Optuna user would: ten more trials by TPE over the same space. usage: continueStudy.py DATABASE STUDY"""

import json
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 0.1, log=True)
    momentum = trial.suggest_float("momentum", 0.5, 0.99)
    dropout = trial.suggest_float("dropout", 0, 0.5, step=0.1)
    layers = trial.suggest_int("layers", 1, 9, step=2)
    units = trial.suggest_int("units", 8, 512, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd", None, True, 0.5])
    batch = trial.suggest_categorical("batch", [32, 64, 128])
    shape = trial.suggest_categorical("shape", ["[64,32]", '[128,64,"x"]'])
    trial.report(lr, 1)
    assert isinstance(layers, int) and isinstance(units, int) and batch in (32, 64, 128) and len(json.loads(shape)) >= 2
    return lr + momentum + dropout + layers + units + (optimizer == "sgd")


database, name = sys.argv[1:]
sampler = optuna.samplers.TPESampler(seed=1, n_startup_trials=5)
study = optuna.load_study(study_name=name, storage=f"sqlite:///{database}", sampler=sampler)
before = len(study.trials)
study.optimize(objective, n_trials=10)
after = study.trials
json.dump(
    {
        "before": before,
        "after": len(after),
        "complete": sum(trial.state.name == "COMPLETE" for trial in after[before:]),
        "numbers": [trial.number for trial in after[before:]],
    },
    sys.stdout,
)
