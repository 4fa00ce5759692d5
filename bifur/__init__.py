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
    from bifur.dynamics.equivalence import Equivalence, equivalent
    from bifur.dynamics.manifolds import Manifold, find_manifolds
    from bifur.dynamics.portrait import Portrait, portrait
    from bifur.dynamics.trajectory import integrate
    from bifur.systems import System, get_system, list_systems, load_system
    from bifur.training.validate import validate


_HOMES = {
    "AtlasDifference": "bifur.atlas.compare",
    "AtlasSpec": "bifur.atlas.spec",
    "Audit": "bifur.atlas.audit",
    "Basins": "bifur.dynamics.basins",
    "Branch": "bifur.continuation.results",
    "Curve": "bifur.continuation.results",
    "Diagram": "bifur.continuation.results",
    "Equilibrium": "bifur.continuation.results",
    "EquilibriumSet": "bifur.continuation.results",
    "Equivalence": "bifur.dynamics.equivalence",
    "Manifold": "bifur.dynamics.manifolds",
    "Portrait": "bifur.dynamics.portrait",
    "Settings": "bifur.continuation.settings",
    "SpecialPoint": "bifur.continuation.results",
    "Stop": "bifur.continuation.results",
    "System": "bifur.systems",
    "audit_atlas": "bifur.atlas.audit",
    "build_atlas": "bifur.atlas.build",
    "build_status": "bifur.atlas.status",
    "diff_atlases": "bifur.atlas.compare",
    "equivalent": "bifur.dynamics.equivalence",
    "export_atlas": "bifur.atlas.export",
    "find_basins": "bifur.dynamics.basins",
    "find_equilibria": "bifur.continuation.equilibria",
    "find_manifolds": "bifur.dynamics.manifolds",
    "get_system": "bifur.systems",
    "integrate": "bifur.dynamics.trajectory",
    "list_systems": "bifur.systems",
    "load_system": "bifur.systems",
    "merge_atlases": "bifur.atlas.merge",
    "open_atlas": "bifur.atlas.reader",
    "pack_atlas": "bifur.atlas.build",
    "portrait": "bifur.dynamics.portrait",
    "scan_atlas": "bifur.atlas.quarantine",
    "trace": "bifur.continuation.diagram",
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
    "Curve",
    "Diagram",
    "Equilibrium",
    "EquilibriumSet",
    "Equivalence",
    "Manifold",
    "Portrait",
    "Settings",
    "SpecialPoint",
    "Stop",
    "System",
    "__version__",
    "audit_atlas",
    "build_atlas",
    "build_status",
    "diff_atlases",
    "equivalent",
    "export_atlas",
    "find_basins",
    "find_equilibria",
    "find_manifolds",
    "get_system",
    "integrate",
    "list_systems",
    "load_system",
    "merge_atlases",
    "open_atlas",
    "pack_atlas",
    "portrait",
    "scan_atlas",
    "trace",
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
