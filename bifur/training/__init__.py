"""Training of linear networks, and the check of an atlas against it. The only importer of torch."""

from bifur.training.outcome import Rules
from bifur.training.validate import validate

__all__ = ["Rules", "validate"]
