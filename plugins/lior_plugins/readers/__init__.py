"""Readers: the text of files, with the way back to lines, pages, cells and messages."""
