"""Optuna's side of the load bench; prints JSON.
usage: peer.py trials KIND PATH N JOBS: N trials that each run `sh -c 'echo loss=…'`, JOBS at once; trials per second
       peer.py records KIND PATH SECONDS: reports of one trial; reports per second
       peer.py open PATH STUDY: seconds to read all trials of our own journal; `trials` null where it takes longer"""

import json
import os
import signal
import subprocess
import sys
import time

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage(kind, path):
    return JournalStorage(JournalFileBackend(path)) if kind == "journal" else RDBStorage(f"sqlite:///{path}")


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    out = subprocess.run(["sh", "-c", 'echo "loss=$X"'], env={**os.environ, "X": str(x)}, capture_output=True, text=True, check=True)
    return float(out.stdout.strip().split("=")[1])


PATIENCE = 90


def give_up(*_):
    print(json.dumps({"seconds": PATIENCE, "trials": None}), flush=True)
    os._exit(0)


def study_of(kind, path):
    return optuna.create_study(storage=storage(kind, path), sampler=optuna.samplers.RandomSampler(seed=1))


what, *args = sys.argv[1:]
if what == "trials":
    kind, path, n, jobs = args
    study = study_of(kind, path)
    begin = time.perf_counter()
    study.optimize(objective, n_trials=int(n), n_jobs=int(jobs))
    print(json.dumps({"rate": int(n) / (time.perf_counter() - begin)}))
elif what == "records":
    kind, path, seconds = args
    trial = study_of(kind, path).ask()
    begin = time.perf_counter()
    n = 0
    while time.perf_counter() - begin < float(seconds):
        n += 1
        trial.report(1.0 / n, n)
    print(json.dumps({"rate": n / (time.perf_counter() - begin)}))
else:
    path, name = args
    # However long it may take, it is not waited for longer than this.
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    begin = time.perf_counter()
    trials = optuna.load_study(study_name=name, storage=f"sqlite:///{path}").trials
    print(json.dumps({"seconds": time.perf_counter() - begin, "trials": len(trials)}))
