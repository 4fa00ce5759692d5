"""bifur: equilibria and bifurcations of small ODE systems over a plane of two parameters.

Names are imported when they are first used (PEP 562), so `import bifur` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bifur._version import __version__

if TYPE_CHECKING:
    from bifur.atlas.audit import Audit, audit_atlas
    from bifur.atlas.build import build_atlas, pack_atlas
    from bifur.atlas.compare import AtlasDifference, diff_atlases
    from bifur.atlas.export import export_atlas
    from bifur.atlas.merge import merge_atlases
    from bifur.atlas.quarantine import scan_atlas
    from bifur.atlas.reader import open_atlas
    from bifur.atlas.spec import AtlasSpec
    from bifur.atlas.status import build_status
    from bifur.continuation.curves import trace_curve
    from bifur.continuation.diagram import trace
    from bifur.continuation.equilibria import find_equilibria
    from bifur.continuation.results import (
        Branch,
        Curve,
        Diagram,
        Equilibrium,
        EquilibriumSet,
        SpecialPoint,
        Stop,
    )
    from bifur.continuation.settings import Settings
    from bifur.continuation.slices import trace_slices
    from bifur.continuation.unfold import unfolded
    from bifur.dynamics.basins import Basins, find_basins
    from bifur.dynamics.batch import integrate_batch
    from bifur.dynamics.cascade import find_cascade
    from bifur.dynamics.critical import find_critical_points, find_critical_rates
    from bifur.dynamics.critical_curve import CriticalCurve, trace_critical_curve
    from bifur.dynamics.cycles import Cycle, find_cycles
    from bifur.dynamics.defining import CriticalPoint
    from bifur.dynamics.descent import Descent, descend, orbit_diagram
    from bifur.dynamics.escape import Escape, find_escape
    from bifur.dynamics.events import Event
    from bifur.dynamics.manifolds import Manifold, find_manifolds
    from bifur.dynamics.ramps import Ramp, ramp
    from bifur.dynamics.rates import CriticalRate, critical_rate
    from bifur.dynamics.runs import Reason, Trajectory
    from bifur.dynamics.stability import largest_learning_rate, multipliers
    from bifur.dynamics.trajectory import integrate
    from bifur.systems import System, get_system, list_systems, load_system
    from bifur.training.validate import validate


_HOMES = {
    "AtlasDifference": "bifur.atlas.compare",
    "AtlasSpec": "bifur.atlas.spec",
    "Audit": "bifur.atlas.audit",
    "Basins": "bifur.dynamics.basins",
    "Branch": "bifur.continuation.results",
    "CriticalCurve": "bifur.dynamics.critical_curve",
    "CriticalPoint": "bifur.dynamics.defining",
    "CriticalRate": "bifur.dynamics.rates",
    "Curve": "bifur.continuation.results",
    "Cycle": "bifur.dynamics.cycles",
    "Descent": "bifur.dynamics.descent",
    "Diagram": "bifur.continuation.results",
    "Equilibrium": "bifur.continuation.results",
    "EquilibriumSet": "bifur.continuation.results",
    "Escape": "bifur.dynamics.escape",
    "Event": "bifur.dynamics.events",
    "Manifold": "bifur.dynamics.manifolds",
    "Ramp": "bifur.dynamics.ramps",
    "Reason": "bifur.dynamics.runs",
    "Settings": "bifur.continuation.settings",
    "SpecialPoint": "bifur.continuation.results",
    "Stop": "bifur.continuation.results",
    "System": "bifur.systems",
    "Trajectory": "bifur.dynamics.runs",
    "audit_atlas": "bifur.atlas.audit",
    "build_atlas": "bifur.atlas.build",
    "build_status": "bifur.atlas.status",
    "critical_rate": "bifur.dynamics.rates",
    "descend": "bifur.dynamics.descent",
    "diff_atlases": "bifur.atlas.compare",
    "export_atlas": "bifur.atlas.export",
    "find_basins": "bifur.dynamics.basins",
    "find_cascade": "bifur.dynamics.cascade",
    "find_critical_points": "bifur.dynamics.critical",
    "find_critical_rates": "bifur.dynamics.critical",
    "find_cycles": "bifur.dynamics.cycles",
    "find_equilibria": "bifur.continuation.equilibria",
    "find_escape": "bifur.dynamics.escape",
    "find_manifolds": "bifur.dynamics.manifolds",
    "get_system": "bifur.systems",
    "integrate": "bifur.dynamics.trajectory",
    "integrate_batch": "bifur.dynamics.batch",
    "largest_learning_rate": "bifur.dynamics.stability",
    "list_systems": "bifur.systems",
    "load_system": "bifur.systems",
    "merge_atlases": "bifur.atlas.merge",
    "multipliers": "bifur.dynamics.stability",
    "open_atlas": "bifur.atlas.reader",
    "orbit_diagram": "bifur.dynamics.descent",
    "pack_atlas": "bifur.atlas.build",
    "ramp": "bifur.dynamics.ramps",
    "scan_atlas": "bifur.atlas.quarantine",
    "trace": "bifur.continuation.diagram",
    "trace_critical_curve": "bifur.dynamics.critical_curve",
    "trace_curve": "bifur.continuation.curves",
    "trace_slices": "bifur.continuation.slices",
    "unfolded": "bifur.continuation.unfold",
    "validate": "bifur.training.validate",
}

__all__ = [
    "AtlasDifference",
    "AtlasSpec",
    "Audit",
    "Basins",
    "Branch",
    "CriticalCurve",
    "CriticalPoint",
    "CriticalRate",
    "Curve",
    "Cycle",
    "Descent",
    "Diagram",
    "Equilibrium",
    "EquilibriumSet",
    "Escape",
    "Event",
    "Manifold",
    "Ramp",
    "Reason",
    "Settings",
    "SpecialPoint",
    "Stop",
    "System",
    "Trajectory",
    "__version__",
    "audit_atlas",
    "build_atlas",
    "build_status",
    "critical_rate",
    "descend",
    "diff_atlases",
    "export_atlas",
    "find_basins",
    "find_cascade",
    "find_critical_points",
    "find_critical_rates",
    "find_cycles",
    "find_equilibria",
    "find_escape",
    "find_manifolds",
    "get_system",
    "integrate",
    "integrate_batch",
    "largest_learning_rate",
    "list_systems",
    "load_system",
    "merge_atlases",
    "multipliers",
    "open_atlas",
    "orbit_diagram",
    "pack_atlas",
    "ramp",
    "scan_atlas",
    "trace",
    "trace_critical_curve",
    "trace_curve",
    "trace_slices",
    "unfolded",
    "validate",
]


if not TYPE_CHECKING:  # a type checker would take any name for Any

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            from bifur._say import nearest

            raise AttributeError(f"module 'bifur' has no attribute {name!r}{nearest(name, _HOMES)}")
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
