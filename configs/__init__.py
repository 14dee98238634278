"""Recipes shipped with lior: data only."""
