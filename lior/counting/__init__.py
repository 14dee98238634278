"""Counting memories: address patterns, counters, discounting."""
