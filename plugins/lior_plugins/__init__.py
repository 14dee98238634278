"""The built-in plugins of lior; each is reached through its entry point only."""
