"""All devices of a range at once."""
