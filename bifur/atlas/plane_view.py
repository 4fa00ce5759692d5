"""One plane of an open atlas: maps read when asked for, and the answer at a point."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import h5py
import numpy as np

from bifur import _late
from bifur._say import unknown
from bifur.atlas import chunks, hdf, schema, tables
from bifur.atlas.plane import COMPLETENESS, KINDS, LedgerEntry, Region, doubt_sentence
from bifur.atlas.spec import MAX_NODES, MAX_POINTS, SCALES
from bifur.atlas.untrusted import json_of, table_of_numbers, text_of, texts_of
from bifur.continuation.results import Completeness, Curve, Diagram, Equilibrium, SpecialPoint, collapsed
from bifur.systems.base import merged

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas
    from bifur.atlas.validation import Validation
    from bifur.systems.base import System

Answer = TypeVar("Answer")


def _guarded(read: Callable[[Plane], Answer]) -> Callable[[Plane], Answer]:
    """A read of the file whose failure is one sentence."""

    @wraps(read)
    def guarded(plane: Plane) -> Answer:
        with plane.reading(read.__name__):
            return read(plane)

    return guarded


@dataclass(frozen=True)
class Cell:
    """The equilibria at a grid point, or exactly where they were asked for.

    `parameters` all of the system's, `completeness` as in `EquilibriumSet`, `index` (iy, ix) of the
    nearest grid point, `exact` whether the equilibria were solved for at the point itself, `doubt` the sentence
    that says why something is not proved (empty where all is, and where an older file does not say).
    """

    equilibria: tuple[Equilibrium, ...]
    parameters: Mapping[str, float]
    completeness: Completeness | None
    index: tuple[int, int]
    exact: bool = False
    doubt: str = ""


@dataclass(frozen=True)
class Column:
    """All slots along y at one value of x: `x`, `y` (ny,), `state` and `eigenvalues` (ny, k, n), integers (ny, k)."""

    x: float
    y: NDArray[np.float64]
    state: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    kind: NDArray[np.int8]
    n_unstable: NDArray[np.int8]
    sheet: NDArray[np.int16]

    def __repr__(self) -> str:
        return f"Column(x={self.x:.6g}, {len(self.y)} nodes, {int((self.kind > 0).sum())} equilibria)"


# codes that a map may hold are below these; -1 is "not computed"
_CODES = {"completeness": len(COMPLETENESS), "kind": len(KINDS)}


class MapArray:
    """One map in the file; indexing reads that part of it."""

    def __init__(self, plane: Plane, dataset: h5py.Dataset) -> None:
        self._plane = plane
        self._dataset = dataset
        self._chunks = chunks.Chunks(dataset)
        self.name: str = dataset.name.rpartition("/")[2]
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        self.long_name = text_of(dataset.attrs, "long_name") if "long_name" in dataset.attrs else self.name
        self.units = text_of(dataset.attrs, "units") if "units" in dataset.attrs else "1"

    def __getitem__(self, index: Any) -> NDArray[Any]:
        with self._plane.reading(f"map {self.name!r}"):
            block = self._chunks.block(index)
            if block is not None:
                return self._checked(self._chunks.read(block))
            self._chunks.judge(index)
            try:
                values = self._dataset[index]
            except (IndexError, TypeError, ValueError) as error:
                mistake = error  # in the index, not in the file
            else:
                return self._checked(values)
        raise mistake

    def _checked(self, values: Any) -> Any:
        """What is looked up in a table must be in it."""
        most = int(np.max(values, initial=-1)) if self.name in _CODES or self.name == "region" else -1
        if most >= 0:
            count = len(self._plane.regions) if self.name == "region" else _CODES[self.name]
            if most >= count:
                raise ValueError(f"it holds the code {most}, and there are {count}")
        return values

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the dimensions."""
        if self.name in schema.MAPS:
            x, y = self._plane.free
            names = {schema.X: x, schema.Y: y}
            return tuple(names.get(dimension, dimension) for dimension in schema.MAPS[self.name].dimensions)
        with self._plane.reading(f"map {self.name!r}"):
            return tuple(dimension[0].name.rpartition("/")[2] for dimension in self._dataset.dims)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[()], dtype=dtype)

    def __repr__(self) -> str:
        dims = f"dims={self.dims}, " if self._plane.atlas.is_open else ""
        return f"MapArray({self.name!r}, shape={self.shape}, {dims}dtype={self.dtype})"


class Maps(Mapping[str, MapArray]):
    """The maps of a plane by name."""

    def __init__(self, plane: Plane, group: h5py.Group) -> None:
        self._plane = plane
        self._arrays = {
            name: MapArray(plane, entry)
            for name, entry in group.items()
            if isinstance(entry, h5py.Dataset) and not hdf.is_scale(entry)
        }
        self._check()

    def _check(self) -> None:
        """Every map is an image over the plane, of the type and the dimensions that all others have too."""
        ny, nx = self._plane.shape
        known = {name: array for name, array in self._arrays.items() if name in schema.MAPS}
        over_slots = [a for name, a in known.items() if schema.EQUILIBRIUM in schema.MAPS[name].dimensions]
        slots = [array.shape[2] for array in over_slots if len(array.shape) > 2]
        sizes = {schema.Y: ny, schema.X: nx, schema.EQUILIBRIUM: slots[0] if slots else 0}
        sizes[schema.COMPONENT] = self._plane.system.dimension
        for name, array in self._arrays.items():
            if array.shape[:2] != (ny, nx):
                raise ValueError(f"the map {name[:60]!r} has the shape {array.shape} over a plane of {(ny, nx)}")
            about = schema.MAPS.get(name)  # a later minor version may have more of them
            if about is None:
                continue
            shape = tuple(sizes[dimension] for dimension in about.dimensions)
            if array.shape != shape or array.dtype.newbyteorder("=") != np.dtype(about.dtype):
                raise ValueError(
                    f"the map {name!r} has the shape {array.shape} of {array.dtype}, not {shape} of {about.dtype}"
                )

    def __getitem__(self, name: str) -> MapArray:
        if not isinstance(name, str) or name not in self._arrays:
            raise ValueError(f'plane "{self._plane.name}": {unknown("map", name, self._arrays)}')
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Maps({', '.join(self._arrays)})"


class Plane:
    """One plane of an atlas.

    `name`, `title`, `system`, `free` = (x, y) names, `x` (nx,) and `y` (ny,) node values, `scales` of
    both ("linear" or "log"), `fixed` the other parameters, `maps` by name (images, index [y, x]),
    `curves`, `special_points` (and `on`, what each lies on), `slices`, `regions`, `ledger`, `validations`.
    """

    def __init__(self, atlas: Atlas, group: h5py.Group) -> None:
        self.atlas = atlas
        self._group = group
        self.name: str = group.name.rpartition("/")[2]
        self.title = text_of(group.attrs, "title")
        self._system_name = text_of(group.attrs, "system")
        x, y = texts_of(group.attrs, "free", 2)
        self.free: tuple[str, str] = (x, y)
        if x == y or not {x, y} <= self.system.parameters.keys():
            raise ValueError(f"`free` must be two parameters of {self._system_name}")
        scales = texts_of(group.attrs, "scales", 2)
        if not set(scales) <= set(SCALES):
            raise ValueError(f"`scales` must be two of {', '.join(SCALES)}")
        self.scales: tuple[str, str] = (scales[0], scales[1])
        self.fixed: Mapping[str, float] = MappingProxyType(table_of_numbers(group.attrs, "fixed"))
        if not self.fixed.keys() <= self.system.parameters.keys():
            raise ValueError(f"`fixed` names what is no parameter of {self._system_name}")
        self.stats: Mapping[str, float] = MappingProxyType(json_of(group.attrs, "stats"))
        maps = hdf.inside(group, "maps")
        self.x: NDArray[np.float64] = _axis(maps, x, self.scales[0])
        self.y: NDArray[np.float64] = _axis(maps, y, self.scales[1])
        if len(self.x) * len(self.y) > MAX_NODES:
            raise ValueError(f"a plane of {self.shape} nodes is more than {MAX_NODES}")
        self.maps = Maps(self, maps)

    @property
    def system(self) -> System:
        """The system, from its stored expressions; a bundled one of the same equations as itself."""
        return self.atlas.system(self._system_name)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return len(self.y), len(self.x)

    # ---- reading ------------------------------------------------------------------------

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Whatever goes wrong in reading `what` becomes one sentence."""
        self.atlas.file  # noqa: B018  says so where the atlas is closed
        with hdf.readable(self.atlas.path, f'plane "{self.name}", {what}'):
            yield

    def map(self, name: str, /, y: Any = slice(None), x: Any = slice(None)) -> NDArray[Any]:
        """A map as an array, or the window [y, x] of it: whole numbers, slices or lists of whole numbers.

        Raises
        ------
        ValueError
            There is no such map, or the window is not one of the plane.
        """
        array = self.maps[name]
        try:
            return array[y, x]
        except (IndexError, TypeError, ValueError) as error:
            if str(error).startswith(str(self.atlas.path)):  # of the file, not of the window
                raise
            raise ValueError(
                f'plane "{self.name}", map {name!r}: `y` and `x` must be whole numbers, or slices of them, '
                f"inside {self.shape}: {error}"
            ) from None

    def column(self, ix: int) -> Column:
        """All equilibria along y at the grid value `x[ix]`."""
        if isinstance(ix, bool) or not isinstance(ix, numbers.Integral):
            raise ValueError(f"`ix` must be a whole number, the index of a column in `x`, not {ix!r}")
        if not 0 <= ix < len(self.x):
            raise ValueError(f"`ix` is {ix}; the plane has columns 0 ... {len(self.x) - 1}")
        return Column(
            x=float(self.x[ix]),
            y=self.y,
            state=self.maps["state"][:, ix],
            eigenvalues=_complex(self.maps["eigenvalues_real"][:, ix], self.maps["eigenvalues_imag"][:, ix]),
            kind=self.maps["kind"][:, ix],
            n_unstable=self.maps["n_unstable"][:, ix],
            sheet=self.maps["sheet"][:, ix],
        )

    @cached_property
    @_guarded
    def curves(self) -> tuple[Curve, ...]:
        """Two-parameter curves of special points."""
        group = hdf.inside(self._group, "curves")
        names = tables.numbered(group)
        return tuple(tables.read_curve(hdf.inside(group, name), self.system) for name in names)

    @cached_property
    @_guarded
    def _points(self) -> tuple[tuple[SpecialPoint, ...], tuple[str, ...]]:
        return tables.read_points(hdf.inside(self._group, "special_points"), self.system)

    @property
    def special_points(self) -> tuple[SpecialPoint, ...]:
        """Special points on the curves and slices."""
        return self._points[0]

    @property
    def on(self) -> tuple[str, ...]:
        """For each special point the curve or slice that it lies on."""
        return self._points[1]

    @cached_property
    @_guarded
    def slices(self) -> tuple[Diagram, ...]:
        """The one-parameter diagrams that the spec asked for."""
        group = hdf.inside(self._group, "slices")
        names = tables.numbered(group)
        return tuple(tables.read_diagram(hdf.inside(group, name), self.system) for name in names)

    @cached_property
    @_guarded
    def regions(self) -> tuple[Region, ...]:
        """Connected classes of nodes; the map `region` holds indices into them."""
        group = hdf.inside(self._group, "regions")
        label = tables.read_texts(group, "label")
        signature = tables.read_texts(group, "signature", len(label))
        nodes = tables.read_numbers(group, "nodes", len(label), kinds="iu").tolist()
        return tuple(Region(*row) for row in zip(label, signature, nodes, strict=True))

    @cached_property
    @_guarded
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """What failed or is doubtful."""
        group = hdf.inside(self._group, "ledger")
        where = tables.read_texts(group, "where")
        rest = (tables.read_texts(group, key, len(where)) for key in ("stage", "code", "message"))
        worst = tables.read_numbers(group, "worst", len(where)).astype(np.float64).tolist()
        return tuple(LedgerEntry(*row) for row in zip(where, *rest, worst, strict=True))

    @cached_property
    @_guarded
    def refined(self) -> tables.Refined | None:
        """Nodes near curves, where the spec asks for them."""
        if "refined" not in self._group:
            return None
        return tables.read_refined(hdf.inside(self._group, "refined"), self.free, self.system)

    @property
    def validations(self) -> list[Validation]:
        """Validation runs kept beside the atlas."""
        return self.atlas.validations(self.name)

    def to_xarray(self) -> xr.Dataset:
        """The maps as a lazy xarray dataset, without dask; close it, or use it in `with` (extra `notebook`)."""
        _late.need("h5netcdf", "notebook")
        return _late.need("xarray", "notebook").open_dataset(
            self.atlas.path, engine="h5netcdf", group=f"planes/{self.name}/maps"
        )

    def plot(self, **options: Any) -> Any:
        """Draw the plane with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_plane(self, **options)

    # ---- at a point ---------------------------------------------------------------------

    def at(self, parameters: Mapping[str, float] | None = None, exact: bool = False, **more: float) -> Cell:
        """The equilibria at the grid point nearest to the given values of both free parameters.

        Nearest is meant along each axis, by the logarithm on a log axis. With `exact` they are solved
        for at the values themselves, with proof where it can be had. `parameters` takes a name that is an
        argument here.

        Raises
        ------
        ValueError
            A free parameter is missing, a name unknown or given twice, a value outside the window or not the fixed one.
        """
        self.atlas.file  # noqa: B018  says so where the atlas is closed
        point = self._point(merged(parameters, more))
        iy, ix = self.nearest(point[self.free[0]], point[self.free[1]])
        if exact:
            from bifur.continuation.equilibria import find_equilibria

            found = find_equilibria(self.system, point, prove=True)
            return Cell(tuple(found), point, found.completeness, (iy, ix), exact=True, doubt=found.reason)
        point |= {self.free[0]: float(self.x[ix]), self.free[1]: float(self.y[iy])}
        code = int(self.maps["completeness"][iy, ix])
        return Cell(
            equilibria=self._equilibria(iy, ix, point),
            parameters=point,
            completeness=COMPLETENESS[code] if code >= 0 else None,  # type: ignore[arg-type]
            index=(iy, ix),
            doubt=doubt_sentence(int(self.maps["doubt"][iy, ix])) if "doubt" in self.maps else "",
        )

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        """(iy, ix) of the grid point nearest to (x, y)."""
        return _nearest(self.y, y, self.scales[1]), _nearest(self.x, x, self.scales[0])

    def _point(self, given: Mapping[str, float]) -> dict[str, float]:
        """All parameters at the given values of the free ones, checked."""
        place = f'plane "{self.name}"'
        for key in given:
            if key not in self.system.parameters:
                raise ValueError(f"{place}: {unknown('parameter', key, self.system.parameters)}")
        point = {**self.system.parameters, **self.fixed}
        for key, value in given.items():
            value = self.system.check_parameter(key, value)
            if key not in self.free and value != point[key]:
                raise ValueError(f"{place}: `{key}` is fixed at {point[key]:g} here, so not {value:g}")
            point[key] = value
        for key, nodes in zip(self.free, (self.x, self.y), strict=True):
            if key not in given:
                raise ValueError(f"{place}: `{key}` is missing; give {self.free[0]} and {self.free[1]}")
            if not nodes[0] <= point[key] <= nodes[-1]:
                raise ValueError(
                    f"{place}: `{key}` = {point[key]:g} lies outside the window [{nodes[0]:g}, {nodes[-1]:g}]"
                )
        return point

    def _equilibria(self, iy: int, ix: int, point: Mapping[str, float]) -> tuple[Equilibrium, ...]:
        cell = {name: self.maps[name][iy, ix] for name in ("state", "kind", "n_unstable", "residual")}
        eigenvalues = _complex(self.maps["eigenvalues_real"][iy, ix], self.maps["eigenvalues_imag"][iy, ix])
        # older files hold no enclosures
        radius = self.maps["radius"][iy, ix] if "radius" in self.maps else np.full(len(cell["kind"]), np.nan)
        return tuple(
            Equilibrium(
                state=cell["state"][k],
                parameters=MappingProxyType(dict(point)),
                eigenvalues=eigenvalues[k],
                kind=KINDS[code],  # type: ignore[arg-type]
                n_unstable=int(cell["n_unstable"][k]),
                residual=float(cell["residual"][k]),
                collapsed=bool(collapsed(self.system, cell["state"][k])),
                radius=float(radius[k]),
            )
            for k, code in enumerate(cell["kind"].tolist())
            if code > 0
        )

    def __repr__(self) -> str:
        return f"Plane({self.name!r}, system={self.system.name!r}, free={self.free}, shape={self.shape})"


def _axis(maps: h5py.Group, name: str, scale: str) -> NDArray[np.float64]:
    """Node values: finite, increasing, above 0 on a log axis."""
    dataset = hdf.dataset_in(maps, name)
    if dataset.ndim != 1 or not 2 <= len(dataset) <= MAX_POINTS:
        raise ValueError(f"the axis {name} must have 2 to {MAX_POINTS} nodes in one dimension")
    nodes = chunks.numbers_of(dataset, None, kinds="f").astype(np.float64)
    if not np.isfinite(nodes).all() or not (np.diff(nodes) > 0).all():
        raise ValueError(f"the nodes of the axis {name} do not increase")
    if scale == "log" and nodes[0] <= 0:
        raise ValueError(f"the log axis {name} does not start above 0")
    return nodes


def _complex(real: NDArray[np.float64], imag: NDArray[np.float64]) -> NDArray[np.complex128]:
    values = np.empty(real.shape, dtype=np.complex128)
    values.real, values.imag = real, imag
    return values


def _nearest(nodes: NDArray[np.float64], value: float, scale: str) -> int:
    if scale == "log":
        return int(np.argmin(np.abs(np.log(nodes) - math.log(value))))
    return int(np.argmin(np.abs(nodes - value)))
