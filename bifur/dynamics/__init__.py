"""Trajectories of a system, and gradient descent as a map."""

from bifur.dynamics.descent import Descent, DescentReason, OrbitDiagram, descend, descend_batch, orbit_diagram
from bifur.dynamics.trajectory import Reason, Trajectory, integrate, integrate_batch

__all__ = [
    "Descent",
    "DescentReason",
    "OrbitDiagram",
    "Reason",
    "Trajectory",
    "descend",
    "descend_batch",
    "integrate",
    "integrate_batch",
    "orbit_diagram",
]
