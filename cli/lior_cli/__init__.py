"""The command line of lior."""
