"""Optuna's side of the comparison under faults, set up as its documentation says.

usage: optuna_peer.py optimize STORAGE FOLDER SEED TRIALS WORKERS LIAR BATCH   begins the study, or goes on with it
       optuna_peer.py dump STORAGE FOLDER                                      prints its trials as JSON
       optuna_peer.py hold STORAGE FOLDER                                      takes the lock for writing, says so, and waits to be killed

STORAGE is `journal` (JournalStorage with JournalFileBackend and its default lock) or `sqlite` (RDBStorage with the shortest
heartbeat, and RetryHeartbeatStaleTrialCallback, which repeats a trial whose process died as often as needed).

The storage does not keep the sampler's state. With `journal` it is pickled after each trial, as the tutorial says, so that a seed means
the same after a resume. With `sqlite` a resume samples without a seed: the sampler that was kept would draw the point of the killed
trial again, beside its repetition.

BATCH is 0, or how many points are drawn together, evaluated by the workers and told in their order.
"""

import json
import os
import pickle
import sqlite3
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.WARNING)


SPACE = {
    "x": FloatDistribution(-5, 5),
    "y": FloatDistribution(1e-4, 1, log=True),
    "k": IntDistribution(1, 8),
}


def storage_of(kind, folder):
    if kind == "journal":
        return JournalStorage(JournalFileBackend(os.path.join(folder, "journal.log")))
    return RDBStorage(
        f"sqlite:///{os.path.join(folder, 'study.db')}",
        heartbeat_interval=1,
        grace_period=2,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )


def optimize(kind, folder, seed, trials, workers, liar, batch):
    from work import evaluate

    # The liar is for trials that run at the same time; with it, one that is left running would change what follows.
    kept = os.path.join(folder, "sampler.pickle")
    is_resumed = os.path.exists(kept)
    sampler = optuna.samplers.TPESampler(
        seed=None if is_resumed else seed, multivariate=True, constant_liar=liar == 1
    )
    if is_resumed and kind == "journal":
        with open(kept, "rb") as file:
            sampler = pickle.load(file)

    def keep(study, _trial):
        with open(f"{kept}.new", "wb") as file:
            pickle.dump(study.sampler, file)
        os.replace(f"{kept}.new", kept)

    def objective(trial):
        x = trial.suggest_float("x", -5, 5)
        y = trial.suggest_float("y", 1e-4, 1, log=True)
        k = trial.suggest_int("k", 1, 8)
        return evaluate(x, y, k, lambda step, loss: trial.report(loss, step))

    study = optuna.create_study(study_name="faults", storage=storage_of(kind, folder), sampler=sampler, load_if_exists=True)
    if batch > 0:
        with ThreadPoolExecutor(workers) as pool:
            while len(study.trials) < trials:
                asked = [study.ask(SPACE) for _ in range(min(batch, trials - len(study.trials)))]
                for trial, value in zip(asked, pool.map(objective, asked)):
                    study.tell(trial, value)
        return
    count = MaxTrialsCallback(trials, states=(TrialState.COMPLETE,))
    if sum(trial.state == TrialState.COMPLETE for trial in study.trials) < trials:
        study.optimize(objective, n_jobs=workers, callbacks=[keep, count])


def dump(kind, folder):
    study = optuna.load_study(study_name="faults", storage=storage_of(kind, folder))
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "point": [trial.params.get(name) for name in "xyk"],
            "value": trial.value if trial.state == TrialState.COMPLETE else None,
        }
        for trial in study.trials
    ]
    json.dump(trials, sys.stdout)


def hold(kind, folder):
    if kind == "journal":
        JournalFileSymlinkLock(os.path.join(folder, "journal.log")).acquire()
    else:
        database = sqlite3.connect(os.path.join(folder, "study.db"))
        database.execute("BEGIN EXCLUSIVE")
        database.execute("UPDATE trials SET state = state")
    print("held", flush=True)
    time.sleep(600)


command, kind, folder, *rest = sys.argv[1:]
if command == "optimize":
    optimize(kind, folder, *map(int, rest))
else:
    {"dump": dump, "hold": hold}[command](kind, folder)
