"""Learning rules without autograd: moments, simultaneous perturbation."""
