"""The commands `lior serve` and `lior mcp`."""
