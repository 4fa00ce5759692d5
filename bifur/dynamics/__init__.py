"""Trajectories of a system, where they escape collapse, and how they follow a parameter that drifts."""

from bifur.dynamics.batch import Ends, integrate_batch
from bifur.dynamics.escape import Escape, find_escape
from bifur.dynamics.events import Event
from bifur.dynamics.ramps import Ramp, ramp
from bifur.dynamics.rates import CriticalRate, critical_rate
from bifur.dynamics.runs import Crossings, Reason, Trajectory
from bifur.dynamics.trajectory import integrate

__all__ = [
    "CriticalRate",
    "Crossings",
    "Ends",
    "Escape",
    "Event",
    "Ramp",
    "Reason",
    "Trajectory",
    "critical_rate",
    "find_escape",
    "integrate",
    "integrate_batch",
    "ramp",
]
