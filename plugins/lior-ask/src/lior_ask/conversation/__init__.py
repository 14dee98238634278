"""Questions one after the other: follow-ups, a run that replies, answers worded by a language model."""
