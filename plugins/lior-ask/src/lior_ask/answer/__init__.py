"""Answers: the passage and the quoted sentence; small talk and tasks; answers as JSON."""

__all__ = ["intents", "record", "selection", "serialise"]
