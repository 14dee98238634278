"""Languages: their words and dates, stems, tokens, and which of them a text is in."""

__all__ = ["dates", "lists", "words"]
