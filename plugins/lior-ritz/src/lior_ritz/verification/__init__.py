"""What knows better than training: independent quadrature, bounds, the reference."""
