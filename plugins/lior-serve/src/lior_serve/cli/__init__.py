"""The commands `lior serve` and `lior mcp`."""

__all__ = ["serving"]
