"""Real training, kept small: a fraction of a second a point, on one core, with fixed splits and seeds."""

import time

import numpy as np


def make(name):
    makers = {
        "digits-svc": digits_svc,
        "cancer-boosting": cancer_boosting,
        "diabetes-lightgbm": diabetes_lightgbm,
        "digits-mlp": digits_mlp,
    }
    return makers[name]()


def digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    return train_test_split(x / 16, y, train_size=500, test_size=1000, stratify=y, random_state=0)


def digits_svc():
    from sklearn.svm import SVC

    x, x_test, y, y_test = digits()

    def train(point, resource):
        start = time.perf_counter()
        model = SVC(
            C=point["c"],
            kernel=point["kernel"],
            gamma=point.get("gamma", 1.0),
            degree=point.get("degree", 3),
            coef0=point.get("coef0", 0.0),
            shrinking=point["shrinking"],
            max_iter=20_000,
        ).fit(x, y)
        return {"error": float(1 - model.score(x_test, y_test))}, time.perf_counter() - start

    return train


def digits_mlp():
    """The resource is the epoch."""
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    x, x_test, y, y_test = digits()
    x, y, classes = x[:300], y[:300], np.unique(y)
    test = slice(0, 500)

    def train(point, resource):
        start = time.perf_counter()
        model = MLPClassifier(
            hidden_layer_sizes=(point["width"],) * point["layers"],
            solver=point["solver"],
            learning_rate_init=point["lr"],
            alpha=point["alpha"],
            batch_size=point["batch"],
            momentum=point.get("momentum", 0.9),
            activation=point["activation"],
            random_state=0,
        )
        rng = np.random.default_rng(0)
        for _ in range(27 if resource is None else int(resource)):
            order = rng.permutation(len(x))
            try:
                model.partial_fit(x[order], y[order], classes=classes)
            except ValueError:
                # Weights that are no longer finite.
                return {"loss": float(np.log(len(classes)) * 4)}, time.perf_counter() - start
        with np.errstate(all="ignore"):
            probabilities = model.predict_proba(x_test[test])
        loss = log_loss(y_test[test], probabilities, labels=classes) if np.isfinite(probabilities).all() else np.inf
        return {"loss": float(min(loss, np.log(len(classes)) * 4))}, time.perf_counter() - start

    return train


def cancer_boosting():
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    x, y = load_breast_cancer(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.5, stratify=y, random_state=0)

    def train(point, resource):
        start = time.perf_counter()
        model = HistGradientBoostingClassifier(
            learning_rate=point["rate"],
            max_iter=point["rounds"],
            max_leaf_nodes=point["leaves"],
            min_samples_leaf=point["leaf_size"],
            l2_regularization=point["l2"],
            max_features=float(point["features"]),
            early_stopping=False,
            random_state=0,
        ).fit(x, y)
        return {"loss": float(log_loss(y_test, model.predict_proba(x_test)))}, time.perf_counter() - start

    return train


def diabetes_lightgbm():
    import lightgbm
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import KFold

    x, y = load_diabetes(return_X_y=True)
    folds = list(KFold(3, shuffle=True, random_state=0).split(x))

    def train(point, resource):
        start = time.perf_counter()
        errors = []
        for fit, hold in folds:
            parameters = {
                "learning_rate": point["rate"],
                "num_leaves": point["leaves"],
                "min_child_samples": point["leaf_size"],
                "feature_fraction": float(point["features"]),
                "lambda_l2": point["l2"],
                "bagging_fraction": float(point.get("rows", 1)),
                "bagging_freq": 1 if point["bagging"] else 0,
                "objective": "regression",
                "verbosity": -1,
                "num_threads": 1,
                "deterministic": True,
                "seed": 0,
            }
            data = lightgbm.Dataset(x[fit], y[fit])
            model = lightgbm.train(parameters, data, num_boost_round=point["rounds"])
            errors.append(np.mean((model.predict(x[hold]) - y[hold]) ** 2))
        return {"rmse": float(np.sqrt(np.mean(errors)))}, time.perf_counter() - start

    return train
