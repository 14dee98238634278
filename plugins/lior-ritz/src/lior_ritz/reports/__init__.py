"""Reports and pictures of a solution."""
