"""A neural Rayleigh-Ritz solver for quantum dots, with a classical reference."""
