"""Attention products: Gram numbers to cost."""
