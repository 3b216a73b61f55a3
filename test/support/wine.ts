/** A training by gradient descent on real measurements, in plain Python: the same numbers on every machine. */
export const wineScript: string = `"""Learns from which cultivar a wine is, by softmax regression."""
import csv
import math

# @hpo.objective val_loss min
learning_rate = 0.02  # @hpo float(1e-4, 1, log)
momentum = 0.5        # @hpo float(0, 0.95)
decay = 1e-3          # @hpo float(1e-6, 0.1, log)
features = 13         # @hpo int(3, 13)
order = "as given"    # @hpo choice("as given", "turned round")
epochs = 9            # @hpo fidelity(1, 9, eta=3)

with open("wine.csv") as file:
    wines = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
for column in range(13):
    center = math.fsum(wine[column] for wine in wines) / len(wines)
    spread = math.sqrt(math.fsum((wine[column] - center) ** 2 for wine in wines) / len(wines))
    for wine in wines:
        wine[column] = (wine[column] - center) / spread
training = [wine for i, wine in enumerate(wines) if i % 4]
if order == "turned round":
    training.reverse()
weights = [[0.0] * (features + 1) for _ in range(3)]
speeds = [[0.0] * (features + 1) for _ in range(3)]

def predict(wine):
    inputs = wine[:features] + [1.0]
    powers = [math.exp(math.fsum(w * x for w, x in zip(row, inputs))) for row in weights]
    return inputs, [power / math.fsum(powers) for power in powers]

for epoch in range(1, epochs + 1):
    for wine in training:
        inputs, predicted = predict(wine)
        for cultivar in range(3):
            error = predicted[cultivar] - (wine[13] == cultivar)
            for i, x in enumerate(inputs):
                gradient = error * x + decay * weights[cultivar][i]
                speeds[cultivar][i] = momentum * speeds[cultivar][i] - learning_rate * gradient
                weights[cultivar][i] += speeds[cultivar][i]
    seen = wines[::4]
    loss = -math.fsum(math.log(max(predict(wine)[1][int(wine[13])], 1e-12)) for wine in seen) / len(seen)
    print(f"epoch {epoch} val_loss={loss!r}", flush=True)
`;
