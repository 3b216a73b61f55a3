"""Fits a small network to two moons, in plain Python."""

import math
import random

# @hpo.objective val_loss min
# @hpo.search trials=24 parallel=2 seed=3

lr = 0.01  # @hpo float(1e-3, 1, log)
hidden = 3  # @hpo int(2, 16)
momentum = 0.0  # @hpo float(0, 0.95)
kind = "relu"  # @hpo choice("relu", "tanh")
epochs = 12

rng = random.Random(0)


def moon(i):
    t = rng.uniform(0, math.pi)
    x, y = math.cos(t), math.sin(t)
    x, y = (x, y) if i % 2 else (1 - x, 0.5 - y)
    return (x + rng.gauss(0, 0.2), y + rng.gauss(0, 0.2), 1.0), i % 2


points = [moon(i) for i in range(300)]
train, held_out = points[:200], points[200:]
inner = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(hidden)]
outer = [rng.gauss(0, 0.5) for _ in range(hidden)]
speed_in = [[0.0] * 3 for _ in range(hidden)]
speed_out = [0.0] * hidden


def forward(x):
    sums = [sum(w * v for w, v in zip(row, x)) for row in inner]
    out = [math.tanh(s) if kind == "tanh" else max(0.0, s) for s in sums]
    z = max(-30.0, min(30.0, sum(w * h for w, h in zip(outer, out))))
    return out, 1 / (1 + math.exp(-z))


for epoch in range(1, epochs + 1):
    for x, label in train:
        out, p = forward(x)
        for j, h in enumerate(out):
            slope = 1 - h * h if kind == "tanh" else float(h > 0)
            pull = (p - label) * outer[j] * slope
            speed_out[j] = momentum * speed_out[j] - lr * (p - label) * h
            outer[j] += speed_out[j]
            for k in range(3):
                speed_in[j][k] = momentum * speed_in[j][k] - lr * pull * x[k]
                inner[j][k] += speed_in[j][k]
    loss = sum(
        -math.log(max(1e-9, p if label else 1 - p))
        for (_, p), label in ((forward(x), label) for x, label in held_out)
    ) / len(held_out)
    print(f"epoch {epoch} val_loss={loss:.4f}", flush=True)
