"""Many problems, and the one that has what is wanted."""
