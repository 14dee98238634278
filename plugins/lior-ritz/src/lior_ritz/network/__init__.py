"""Trial functions and their Ritz states."""
