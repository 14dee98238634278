"""Frames: how the metric is built."""
