"""Tokenizers that do nothing: one that fits the interface, and one that lacks a method."""

from __future__ import annotations

from typing import ClassVar

import attrs


@attrs.frozen
class NoDecode:
    """A tokenizer without ``decode``."""

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
    """A tokenizer that fits the interface."""

    def decode(self, tokens):
        return tokens
