"""Annotations with faults, for the diagnostics."""

# @hpo.objective val_loss min

lr = 0.5  # @hpo float(1, 1e-4, log)
width = 8  # @hpo int(1, 64)

print("val_loss=1")
