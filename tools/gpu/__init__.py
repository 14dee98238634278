"""What can only be known on a GPU, in one command: ``python -m tools.gpu``."""
