"""Tokenizers that do nothing: one that fits its interface, and one that lacks a method of it."""

from __future__ import annotations

from typing import ClassVar

import attrs


@attrs.frozen
class NoDecode:
    """It lacks ``decode``."""

    api_version: ClassVar[int] = 1
    vocab: int = 256

    def fit(self, documents):
        pass

    def snapshot(self):
        return {}

    def restore(self, snapshot):
        pass

    def encode(self, data):
        return data


@attrs.frozen
class Plain(NoDecode):
    """It fits its interface."""

    def decode(self, tokens):
        return tokens
