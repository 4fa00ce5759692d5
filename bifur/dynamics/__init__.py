"""Trajectories of a system."""

from bifur.dynamics.trajectory import Reason, Trajectory, integrate, integrate_batch

__all__ = ["Reason", "Trajectory", "integrate", "integrate_batch"]
