"""Two electrons that repel each other."""
