"""Which passage answers and which sentence is quoted; what is no question; answers as JSON."""

__all__ = ["intents", "selection", "serialise"]
