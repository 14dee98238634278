"""Languages: words, dates, stems, tokens, and detection of the language of a text."""

__all__ = ["dates", "lists", "words"]
