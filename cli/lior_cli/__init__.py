"""The command line of lior."""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
