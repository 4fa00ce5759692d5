"""A plane of `l2` from its closed forms: p = 0 and p± = (1 ± √(1 − 4aρ))/(2a), the fold at aρ = 1/4."""

from __future__ import annotations

import numpy as np

import bifur
from bifur.atlas.plane import COMPLETENESS, KINDS, LedgerEntry, PlaneData, Region
from bifur.atlas.spec import AtlasSpec, Axis, PlaneSpec, SliceSpec
from bifur.continuation.results import Branch, Curve, Diagram, Equilibrium, SpecialPoint, Stop

SINK, SOURCE = KINDS.index("sink"), KINDS.index("source")


def spec(nx: int = 9, ny: int = 17, name: str = "l2") -> AtlasSpec:
    return AtlasSpec("closed forms", (plane_spec(nx, ny, name),))


def plane_spec(nx: int = 9, ny: int = 17, name: str = "l2") -> PlaneSpec:
    return PlaneSpec(
        name=name,
        system=bifur.get_system("l2"),
        x=Axis("sigma2", (0, 2), nx),
        y=Axis("rho", (1e-3, 1), ny, "log"),
        slices=(SliceSpec("rho", {"sigma2": (0.5,)}),),
        title="SimSiam, L2 loss",
    )


def roots(a, rho):
    """p- and p+, NaN where there are none."""
    with np.errstate(invalid="ignore"):
        root = np.sqrt(1 - 4 * a * rho)
    return (1 - root) / (2 * a), (1 + root) / (2 * a)


def slope(p, a, rho):
    """The eigenvalue 2p - 3ap² - ρ."""
    return 2 * p - 3 * a * p**2 - rho


def plane_data(about: PlaneSpec | None = None) -> PlaneData:
    about = about or plane_spec()
    x, y = about.x.nodes(), about.y.nodes()
    a, rho = 1 + x[None, :], y[:, None]
    low, high = roots(a, rho)
    state = np.stack([np.zeros_like(low), low, high], axis=-1)[..., None]
    there = np.isfinite(state[..., 0])
    eigenvalues = slope(state, a[..., None, None], rho[..., None, None])
    kind = np.where(there, np.where(eigenvalues[..., 0] > 0, SOURCE, SINK), 0).astype(np.int8)
    three = there[..., 2]
    leading = np.where(three[..., None], state[:, :, 2], np.nan)
    rate = np.where(three, -eigenvalues[:, :, 2, 0], np.nan)
    maps = {
        "n_equilibria": there.sum(-1).astype(np.int16),
        "n_stable": (kind == SINK).sum(-1).astype(np.int16),
        "region": np.where(three, 1, 0).astype(np.int16),
        "completeness": np.full(three.shape, COMPLETENESS.index("proved"), dtype=np.int8),
        "doubt": np.zeros(three.shape, dtype=np.int8),
        "state": state,
        "eigenvalues_real": eigenvalues,
        "eigenvalues_imag": np.where(there[..., None], 0.0, np.nan),
        "kind": kind,
        "n_unstable": np.where(there, kind == SOURCE, -1).astype(np.int8),
        "oscillatory": np.where(there, 0, -1).astype(np.int8),
        "sheet": np.where(there, np.arange(3), -1).astype(np.int16),
        "residual": np.where(there, 0.0, np.nan).astype(np.float32),
        "radius": np.where(there, 2.0**-40, np.nan).astype(np.float32),
        "leading_state": leading,
        "relaxation_rate": rate,
        "max_learning_rate": np.where(three, 2 / np.where(three, rate, 1), np.nan),
        "curve_distance": np.abs(np.log10(4 * a * rho)) / 3,
    }
    regions = (
        Region("1 sink", "0", int((~three).sum())),
        Region("2 sinks, 1 source", "0 0 1", int(three.sum())),
    )
    fold = fold_curve()
    diagram = slice_diagram(0.5, about.y.span)
    return PlaneData(
        name=about.name,
        system=about.system,
        free=about.free,
        x=x,
        y=y,
        scales=(about.x.scale, about.y.scale),
        fixed=about.fixed,
        title=about.title,
        maps=maps,
        curves=(fold,),
        special_points=diagram.special_points,
        on=("slice 0",),
        slices=(diagram,),
        regions=regions,
        ledger=(LedgerEntry("node (0, 0)", "test", "NOTHING", "an entry for the reader: σ² ≥ 0", 1e-3),),
        stats={"nodes": x.size * y.size, "seconds": 1.0},
    )


def fold_curve(points: int = 50) -> Curve:
    """ρ = 1/(4a), p = 1/(2a)."""
    sigma2 = np.linspace(0, 2, points)
    plane = np.column_stack([sigma2, 0.25 / (1 + sigma2)])
    return Curve(
        kind="LP",
        system=bifur.get_system("l2"),
        free=("sigma2", "rho"),
        parameters=plane,
        all_parameters=plane,
        state=0.5 / (1 + sigma2)[:, None],
        residual=np.zeros(points),
        normal_form=-0.5 * np.ones(points),
        special_points=(),
        stop_reason=(Stop.BOUND, Stop.END_OF_SPAN),
        stats={"steps": points, "seconds": 0.1},
    )


def fold_point(sigma2: float) -> SpecialPoint:
    a = 1 + sigma2
    return SpecialPoint(
        kind="LP",
        parameters={"sigma2": sigma2, "rho": 0.25 / a},
        state=np.array([0.5 / a]),
        residual=1e-17,
        normal_form={"quadratic": -0.5, "unknown": float("nan")},
        system=bifur.get_system("l2"),
        branch=1,
        null_vector=np.array([1.0]),
    )


def _branch(p, rho, a, tangent) -> Branch:
    eigenvalues = slope(p, a, rho)[:, None].astype(complex)
    return Branch(
        what="equilibria",
        free="rho",
        parameter=rho,
        state=p[:, None],
        eigenvalues=eigenvalues,
        stable=eigenvalues[:, 0].real < 0,
        n_unstable=(eigenvalues[:, 0].real > 0).astype(np.int64),
        tangent=tangent / np.linalg.norm(tangent, axis=1, keepdims=True),
        stop_reason=(Stop.END_OF_SPAN, Stop.BOUND),
    )


def slice_diagram(sigma2: float, span: tuple[float, float]) -> Diagram:
    """The origin, and the parabola ρ = p(1 − ap) through its fold."""
    a = 1 + sigma2
    ends = roots(a, span[0])
    p = np.linspace(ends[0], ends[1], 201)
    rho = p * (1 - a * p)
    line = np.geomspace(*span, 40)
    along = np.column_stack([np.zeros_like(line), np.ones_like(line)])
    round_the_fold = np.column_stack([np.ones_like(p), 1 - 2 * a * p])
    landed = Equilibrium(
        state=np.array([ends[1]]),
        parameters={"sigma2": sigma2, "rho": span[0]},
        eigenvalues=np.array([slope(ends[1], a, span[0])], dtype=complex),
        kind="sink",
        n_unstable=0,
        residual=0.0,
        collapsed=False,
        radius=1e-12,
    )
    return Diagram(
        system=bifur.get_system("l2"),
        free="rho",
        span=span,
        parameters={"sigma2": sigma2},
        branches=(_branch(np.zeros_like(line), line, a, along), _branch(p, rho, a, round_the_fold)),
        special_points=(fold_point(sigma2),),
        completeness="proved",
        landed=((span[0], landed),),
        notes=("from closed forms",),
    )
