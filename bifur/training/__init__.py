"""Training of networks, and the check of an atlas against it. The only importer of torch."""

from bifur.training.outcome import Rules
from bifur.training.sigma2 import Advice, Sigma2Estimate, estimate_sigma2

__all__ = ["Advice", "Rules", "Sigma2Estimate", "estimate_sigma2"]
