"""From a configuration to a solution."""
