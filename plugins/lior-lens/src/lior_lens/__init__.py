"""Lens distortion: measured on lines, predicted by a network, corrected in photographs."""
