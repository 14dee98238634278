"""The commands `lior ask`, `lior chat` and `lior sync`."""

__all__ = ["ask", "options", "sync", "transport"]
