"""A script that nobody annotated."""

lr = 0.5
print("val_loss=1")
