"""Training of linear networks, and the check of an atlas against it. The only importer of torch."""

from bifur.training.outcome import Rules

__all__ = ["Rules"]
