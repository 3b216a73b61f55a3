# Tells the species of an iris from those of its nearest neighbours.
#
#     Rscript train.R --k 5 --power 1 --petals 1
#
# An ordinary script: what may be tuned, and how far, stands in hpo.yml, and arrives as arguments.

arguments <- commandArgs(trailingOnly = TRUE)
argument <- function(name, default) {
  at <- match(paste0("--", name), arguments)
  if (is.na(at)) default else as.numeric(arguments[at + 1])
}
k <- argument("k", 5)
power <- argument("power", 1)
petals <- argument("petals", 1)

flowers <- scale(as.matrix(iris[, 1:4]))
flowers[, 3:4] <- flowers[, 3:4] * petals
distances <- as.matrix(dist(flowers))
diag(distances) <- Inf

# Each flower is told from all others.
loss <- 0
for (flower in seq_len(nrow(iris))) {
  nearest <- order(distances[flower, ])[seq_len(k)]
  weights <- 1 / (distances[flower, nearest] + 1e-3)^power
  votes <- tapply(weights, iris$Species[nearest], sum, default = 0) + 1e-3
  loss <- loss - log(votes[[iris$Species[flower]]] / sum(votes))
}
cat(sprintf("loss=%.6f\n", loss / nrow(iris)))
