"""Conversations: follow-up questions, a run that replies, answers worded by a language model."""

__all__ = ["composing", "dialogue", "endpoint", "followups", "run_chat", "table_followups"]
