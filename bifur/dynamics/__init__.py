"""Trajectories of a system."""

from bifur.dynamics.batch import Ends, integrate_batch
from bifur.dynamics.events import Event
from bifur.dynamics.runs import Crossings, Reason, Trajectory
from bifur.dynamics.trajectory import integrate

__all__ = ["Crossings", "Ends", "Event", "Reason", "Trajectory", "integrate", "integrate_batch"]
