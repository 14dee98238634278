"""Attacks on lior: hostile and huge files, mutated files, kills, flipped bits, and edits all at once."""
