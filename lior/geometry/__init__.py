"""Geometry: pure functions for metrics, scores, their derivatives and learning rules; no autograd.

=========== ======================================================================
adam        first and second moments of gradients
metric      the metric in factors, its matrix, its root and distances
neighbours  k-means centres, inverted lists
phases      the two-phase statistic that learning follows
retrieval   from contexts to scores, and the derivatives of a loss of the scores
=========== ======================================================================
"""
