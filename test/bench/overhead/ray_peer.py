"""Ray Tune on the same trials: usage ray_peer.py SECONDS N; prints {"wallMs": …} of fit() alone, Ray itself being up."""

import json
import logging
import os
import sys
import tempfile
import time

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray import tune

seconds, n = float(sys.argv[1]), int(sys.argv[2])


def trainable(config):
    if seconds > 0:
        time.sleep(seconds)
    return {"loss": config["x"]}


with tempfile.TemporaryDirectory() as folder:
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=n, metric="loss", mode="min", max_concurrent_trials=2),
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    )
    start = time.perf_counter()
    results = tuner.fit()
    wall = time.perf_counter() - start
    assert len(results) == n and results.num_errors == 0, results
    ray.shutdown()
print(json.dumps({"wallMs": wall * 1000}))
