"""Learning rules without autograd: two phases, moments, simultaneous perturbation."""
