"""Updaters: optimizers of the learned parameters."""
