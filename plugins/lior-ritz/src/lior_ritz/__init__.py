"""A neural Rayleigh-Ritz solver for quantum dots."""
