"""A small atlas with a bare plane: regions by a curve, nothing solved. Training needs no more of it."""

from __future__ import annotations

import numpy as np

import bifur
from bifur.atlas.plane import PlaneData, Region
from bifur.atlas.spec import AtlasSpec, Axis, PlaneSpec
from bifur.atlas.store import write_atlas


def write(path, *names, n=12, x=("sigma2", (0.0, 2.0)), y=("rho", (1e-3, 1.0)), fixed=None):
    """An atlas of one plane for each system, `n` nodes a side."""
    specs = tuple(
        PlaneSpec(
            name=name,
            system=bifur.get_system(name),
            x=Axis(x[0], x[1], n),
            y=Axis(y[0], y[1], n, "log"),
            fixed=fixed or {},
        )
        for name in names
    )
    write_atlas(path, AtlasSpec("for training", specs), [bare(spec) for spec in specs])
    return path


def bare(spec: PlaneSpec) -> PlaneData:
    """Below and above 4 a rho = 1, without equilibria."""
    x, y = spec.x.nodes(), spec.y.nodes()
    shape, n = (len(y), len(x)), spec.system.dimension
    beyond = np.log10(4 * (1 + x[None, :]) * y[:, None])
    slots = (*shape, 1)
    maps = {
        "n_equilibria": np.zeros(shape, np.int16),
        "n_stable": np.zeros(shape, np.int16),
        "region": (beyond > 0).astype(np.int16),
        "completeness": np.zeros(shape, np.int8),
        "state": np.full((*slots, n), np.nan),
        "eigenvalues_real": np.full((*slots, n), np.nan),
        "eigenvalues_imag": np.full((*slots, n), np.nan),
        "kind": np.zeros(slots, np.int8),
        "n_unstable": np.full(slots, -1, np.int8),
        "oscillatory": np.full(slots, -1, np.int8),
        "sheet": np.full(slots, -1, np.int16),
        "residual": np.full(slots, np.nan, np.float32),
        "radius": np.full(slots, np.nan, np.float32),
        "doubt": np.zeros(slots[:2], np.int8),
        "leading_state": np.full((*shape, n), np.nan),
        "relaxation_rate": np.full(shape, np.nan),
        "max_learning_rate": np.full(shape, np.nan),
        "curve_distance": np.abs(beyond),
    }
    regions = (Region("below", "0", int((beyond <= 0).sum())), Region("above", "0", int((beyond > 0).sum())))
    return PlaneData(
        name=spec.name,
        system=spec.system,
        free=spec.free,
        x=x,
        y=y,
        scales=(spec.x.scale, spec.y.scale),
        fixed=spec.fixed,
        title=spec.title,
        maps=maps,
        regions=regions,
    )
