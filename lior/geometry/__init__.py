"""Geometry: pure functions for metrics, scores, their derivatives and learning rules; no autograd.

=========== ======================================================================
adam        first and second moments of gradients
gram        distances and areas from Gram products
kernel      the memory kernel as a sum of poles
metric      the metric in factors, its matrix and its root
neighbours  k-means centres, inverted lists
parametrise unconstrained numbers for the factors of a metric
phases      the two-phase statistic that learning follows
retrieval   from contexts to scores, and the derivatives of a loss of the scores
=========== ======================================================================
"""
