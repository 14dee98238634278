"""Runs on disk: directories, checkpoints, documents learned and forgotten later."""
