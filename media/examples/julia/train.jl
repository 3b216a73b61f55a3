# Learns the species of an iris by softmax regression.
#
#     julia train.jl
#
# An ordinary script: the comments that begin with @hpo say which of its values may be tuned, and how far.
using DelimitedFiles, Statistics

# @hpo.objective val_loss min

learning_rate = 0.1  # @hpo float(1e-3, 10, log)
weight_decay = 1e-3  # @hpo float(1e-6, 0.3, log)
scaled = true        # @hpo bool
const epochs = 100

table, _ = readdlm(joinpath(@__DIR__, "iris.csv"), ',', Float64; header = true)
flowers = table[:, 1:4]
if scaled
    global flowers = (flowers .- mean(flowers; dims = 1)) ./ std(flowers; dims = 1)
end
flowers = hcat(flowers, ones(size(flowers, 1)))
species = [table[i, 5] == k - 1 ? 1.0 : 0.0 for i in 1:size(table, 1), k in 1:3]

# Every fourth flower is only looked at, never learned from.
isvalidation = [i % 4 == 1 for i in 1:size(table, 1)]
train_x, train_y = flowers[.!isvalidation, :], species[.!isvalidation, :]
val_x, val_y = flowers[isvalidation, :], species[isvalidation, :]

function predict(x, weights)
    scores = x * weights
    powers = exp.(scores .- maximum(scores; dims = 2))
    powers ./ sum(powers; dims = 2)
end

function train(learning_rate, weight_decay)
    weights = zeros(5, 3)
    for _ in 1:epochs
        gradient = train_x' * (predict(train_x, weights) - train_y) / size(train_x, 1) + weight_decay * weights
        weights -= learning_rate * gradient
    end
    weights
end

predicted = predict(val_x, train(learning_rate, weight_decay))
println("val_loss=", -mean(log.(max.(sum(predicted .* val_y; dims = 2), 1e-12))))
