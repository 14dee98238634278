"""The pictures of a run: their names and subjects, read without Matplotlib."""

PICTURES = {
    "curves": "cost in each stage of training",
    "positions": "bits per byte by position and by class of token",
    "spectrum": "eigenvalues of the metric",
    "angles": "angles of the metric's rotation",
    "resilience": "histogram of R over the memory",
    "weights": "the experts' weights by gate",
    "coordinates": "contexts on the two principal axes of the metric",
    "curved": "sectional curvatures, and contexts by R",
}
"""Subject of each picture, by its name."""
