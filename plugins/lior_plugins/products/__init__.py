"""Attention products: Gram products to cost."""
