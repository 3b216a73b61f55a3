"""Learns to read handwritten digits with a small neural network.

    python train.py

An ordinary training script: it runs by itself, with the values written below.
The comments that begin with @hpo say which of them may be tuned, and how far.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

# @hpo.objective val_loss min

hidden = 24              # @hpo int(8, 256, log)
activation = "relu"      # @hpo choice("relu", "tanh", "logistic")
solver = "sgd"           # @hpo choice("sgd", "adam")
learning_rate = 0.01     # @hpo float(1e-4, 0.3, log)
momentum = 0.9           # @hpo float(0.5, 0.99) when solver == "sgd"
alpha = 1e-4             # @hpo float(1e-6, 1.0, log)
batch_size = 64          # @hpo ordinal(16, 32, 64, 128, 256)
epochs = 27              # @hpo fidelity(1, 27, eta=3)

# The validation digits are only looked at, never learned from; the split is the same in every run.
digits, labels = load_digits(return_X_y=True)
train_x, val_x, train_y, val_y = train_test_split(digits, labels, test_size=0.25, stratify=labels, random_state=0)
scaler = StandardScaler().fit(train_x)
train_x, val_x = scaler.transform(train_x), scaler.transform(val_x)

model = MLPClassifier(
    hidden_layer_sizes=(hidden,),
    activation=activation,
    solver=solver,
    learning_rate_init=learning_rate,
    momentum=momentum,
    alpha=alpha,
    batch_size=batch_size,
    random_state=0,
)

for epoch in range(1, epochs + 1):
    model.partial_fit(train_x, train_y, classes=np.unique(labels))  # one pass over the training digits
    predicted = model.predict_proba(val_x)
    val_loss = log_loss(val_y, predicted)
    val_acc = np.mean(predicted.argmax(axis=1) == val_y)
    print(f"epoch {epoch} loss={model.loss_:.4f} val_loss={val_loss:.4f} val_acc={val_acc:.4f}", flush=True)
