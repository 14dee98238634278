"""The commands `lior ask`, `lior chat` and `lior sync`."""

__all__ = ["options", "sync", "transport"]
