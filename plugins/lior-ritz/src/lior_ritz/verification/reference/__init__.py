"""The reference: classical solutions with error bars, which the neural one is compared with."""

from lior_ritz.verification.reference.result import Reference
from lior_ritz.verification.reference.solving import METHODS, solve

__all__ = ["METHODS", "Reference", "solve"]
