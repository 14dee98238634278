"""Pure functions of the geometry: metric, rotors, Gram products, curvature, Clifford algebra."""
