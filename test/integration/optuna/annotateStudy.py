"""Reads a study and writes notes into it, ten times, while the agent writes trials. usage: annotateStudy.py DATABASE STUDY"""

import json
import sys
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)

database, name = sys.argv[1:]
torn = 0
for round in range(10):
    # A new connection each time, as the dashboard's pages make.
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{database}")
    study.set_user_attr(f"note {round}", round)
    trials = study.trials
    # Each trial is appended whole: anything else would be half of a transaction.
    torn += sum(trial.state.name != "COMPLETE" or len(trial.intermediate_values) != 5 for trial in trials)
    time.sleep(0.05)
notes = sum(key.startswith("note") for key in study.user_attrs)
json.dump({"notes": notes, "torn": torn}, sys.stdout)
