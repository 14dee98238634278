"""Memory kernels that run in constant state per step."""
