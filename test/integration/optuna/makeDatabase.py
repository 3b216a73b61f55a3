"""Makes an empty Optuna database. usage: makeDatabase.py DATABASE"""

import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
optuna.create_study(study_name="made by Optuna", storage=f"sqlite:///{sys.argv[1]}")
