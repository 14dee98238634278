"""The built-in plugins of lior; each is reached through its entry point only."""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
