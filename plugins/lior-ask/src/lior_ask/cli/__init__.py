"""The commands `lior ask`, `lior chat` and `lior sync`."""
