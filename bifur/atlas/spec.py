"""What to compute: an atlas as planes, a plane as a system, two axes, maps and slices; TOML in, TOML out."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur._say import path_of, unknown
from bifur.systems.base import System
from bifur.systems.initial import InitialLaw
from bifur.systems.initial import read as read_law
from bifur.systems.registry import description, from_description, get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC_FORMAT = 1
USUAL_MAPS = ("relaxation_rate", "curve_distance", "max_learning_rate", "leading_state")
SHARE_MAPS = ("basin_share", "basin_share_error")  # computed where asked for; the second comes with the first
MAPS = (*USUAL_MAPS, *SHARE_MAPS)
SCALES = ("linear", "log")

# names that the maps group of the file already uses, so no free parameter may carry them
TAKEN = frozenset(
    (*MAPS, "n_equilibria", "n_stable", "region", "completeness", "doubt", "state", "eigenvalues_real")
) | {"eigenvalues_imag", "kind", "n_unstable", "oscillatory", "sheet", "residual", "radius", "equilibrium", "component"}

MAX_POINTS = 2**14
MAX_NODES = 2**26
MAX_PLANES = 64
MAX_SLICES = 1000
MAX_TITLE = 1000
REFINE = range(2, 65)
MAX_SPEC = 2**20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Put the place in front of the sentence of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"`{what}` must be a number, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"`{what}` must be a finite number, not {value}")
    return float(value)


@dataclass(frozen=True)
class Axis:
    """One axis of a plane: `points` nodes of a parameter over `span`, both ends included.

    Raises
    ------
    ValueError
        The span is empty or not finite, `points` lies outside 2 ... 16384, the scale is neither "linear" nor
        "log", or a log axis does not start above 0.
    """

    parameter: str
    span: tuple[float, float]
    points: int
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.parameter, str):
            raise ValueError(f"`parameter` must be a name, not {self.parameter!r}")
        if isinstance(self.span, str) or not isinstance(self.span, Sequence | np.ndarray) or len(self.span) != 2:
            raise ValueError(f"`span` must be two numbers [low, high], not {self.span!r}")
        low, high = (_number("span", value) for value in self.span)
        object.__setattr__(self, "span", (low, high))
        if not low < high:
            raise ValueError(f"the window is empty: `span` is [{low:g}, {high:g}]; low must be below high")
        if isinstance(self.points, bool) or not isinstance(self.points, int | np.integer):
            raise ValueError(f"`points` must be a whole number, not {self.points!r}")
        object.__setattr__(self, "points", int(self.points))
        if not 2 <= self.points <= MAX_POINTS:
            raise ValueError(f"`points` is {self.points}; it must lie in 2 ... {MAX_POINTS}")
        if self.scale not in SCALES:
            raise ValueError(unknown("scale", self.scale, SCALES))
        if self.scale == "log" and low <= 0:
            raise ValueError(f'a "log" axis must start above 0, not at {low:g}')
        if not np.all(np.diff(self.nodes()) > 0):
            raise ValueError(f"`span` [{low!r}, {high!r}] is too narrow for {self.points} different nodes")

    def nodes(self) -> NDArray[np.float64]:
        """The node values (points,), increasing."""
        space = np.geomspace if self.scale == "log" else np.linspace
        return space(*self.span, self.points)


@dataclass(frozen=True)
class SliceSpec:
    """One-parameter diagrams that a plane keeps whole: along `free`, at values of the other parameter."""

    free: str
    at: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if not isinstance(self.free, str):
            raise ValueError(f"`free` must be a name, not {self.free!r}")
        if not isinstance(self.at, Mapping) or len(self.at) != 1:
            raise ValueError(f"`at` must give values of one parameter, as in {{sigma2 = [0, 0.5]}}, not {self.at!r}")
        ((parameter, values),) = self.at.items()
        values = values if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) else [values]
        if not len(values):
            raise ValueError(f"`at`: {parameter} has no values")
        numbers = tuple(_number(f"at.{parameter}", value) for value in values)
        object.__setattr__(self, "at", MappingProxyType({parameter: numbers}))


@dataclass(frozen=True)
class PlaneSpec:
    """One plane of an atlas.

    Parameters
    ----------
    name
        Letters, digits, _ and -.
    system
        A `System` or the name of a bundled one.
    x, y
        The two axes: free parameters of the system, inside its bounds.
    fixed
        Values of other parameters; the rest is filled in from the system's defaults.
    maps
        The maps to compute beside the equilibria: relaxation_rate, curve_distance, max_learning_rate, leading_state
        (all of these by default), basin_share (with basin_share_error).
    slices
        Diagrams to keep whole.
    initial
        The law of initial states that `basin_share` is of, as in `System`; states that are not named keep the
        system's. None: the system's, which is then written into the spec if `basin_share` is asked for.
    refine
        Steps into which a cell near a special curve is divided, 2 ... 64; 0 for none.
    title
        For people; the plane's name where empty.
    source
        How the spec names the system: its name, or the path of a Python file.

    Raises
    ------
    ValueError
        Names the plane, the key, and what is accepted.
    """

    name: str
    system: System
    x: Axis
    y: Axis
    fixed: Mapping[str, float] = field(default_factory=dict)
    maps: tuple[str, ...] = USUAL_MAPS
    slices: tuple[SliceSpec, ...] = ()
    refine: int = 0
    title: str = ""
    source: str = ""
    initial: InitialLaw | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"plane {self.name!r}: `name` takes a letter, then letters, digits, _ and - (at most 64)")
        with placed(f"{self.place}, system"):
            object.__setattr__(self, "system", get_system(self.system))
            from_description(description(self.system))  # what is stored must be readable again
        object.__setattr__(self, "source", self.source or self.system.name)
        self._check_axes()
        self._check_fixed()
        self._check_maps()
        self._check_initial()
        self._check_slices()
        if isinstance(self.refine, bool) or not isinstance(self.refine, int) or self.refine not in (0, *REFINE):
            steps = f"from {REFINE[0]} to {REFINE[-1]}"
            raise ValueError(
                f"{self.place}: `refine` must be a whole number {steps}, or 0 for none, not {self.refine!r}"
            )
        with placed(self.place):
            check_title(self.title)
        object.__setattr__(self, "title", self.title or self.name)

    @property
    def place(self) -> str:
        """How sentences name this plane."""
        return f'plane "{self.name}"'

    @property
    def free(self) -> tuple[str, str]:
        """The names of the two free parameters (x, y)."""
        return self.x.parameter, self.y.parameter

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.y.points, self.x.points

    def _check_axes(self) -> None:
        for key, axis in (("x", self.x), ("y", self.y)):
            with placed(f"{self.place}, {key}"):
                if not isinstance(axis, Axis):
                    raise ValueError(f"`{key}` must be an Axis, not {axis!r}")
                self._check_known(axis.parameter)
                if axis.parameter in TAKEN:
                    raise ValueError(f"the name {axis.parameter!r} is taken by a map of the file: rename the parameter")
                for end in axis.span:
                    self.system.check_parameter(axis.parameter, end)
        if self.x.parameter == self.y.parameter:
            raise ValueError(f"{self.place}, y: `parameter` is {self.y.parameter!r}, which is the x axis already")
        if self.x.points * self.y.points > MAX_NODES:
            raise ValueError(f"{self.place}: {self.x.points} × {self.y.points} nodes are more than {MAX_NODES}")

    def _check_known(self, parameter: str) -> None:
        if parameter not in self.system.parameters:
            raise ValueError(unknown(f"parameter of {self.system.name}", parameter, self.system.parameters))

    def _check_fixed(self) -> None:
        with placed(f"{self.place}, fixed"):
            values = {}
            for key, value in as_table("fixed", self.fixed).items():
                self._check_known(key)
                if key in self.free:
                    raise ValueError(f"`{key}` is a free parameter of this plane; it cannot be fixed as well")
                values[key] = self.system.check_parameter(key, _number(key, value))
            others = {key: value for key, value in self.system.parameters.items() if key not in self.free}
            object.__setattr__(self, "fixed", MappingProxyType(others | values))

    def _check_maps(self) -> None:
        with placed(f"{self.place}, maps"):
            if isinstance(self.maps, str) or not isinstance(self.maps, Sequence):
                raise ValueError(f"`maps` must be a list of names, not {self.maps!r}")
            for name in self.maps:
                if name not in MAPS:
                    raise ValueError(unknown("map", name, MAPS))
                if list(self.maps).count(name) > 1:
                    raise ValueError(f"{name!r} is named twice")
            names = [name for name in self.maps if name not in SHARE_MAPS]
            shares = SHARE_MAPS if len(names) < len(self.maps) else ()
            object.__setattr__(self, "maps", (*names, *shares))

    def _check_initial(self) -> None:
        system, asked = self.system, SHARE_MAPS[0] in self.maps
        with placed(f"{self.place}, initial"):
            law = system.initial if asked else None
            if self.initial is not None:
                law = read_law(self.initial, system.states, system.bounds, system.initial)
            if asked and law is None:
                raise ValueError(f"{system.name} declares no initial law, of which `basin_share` is: give `initial`")
            object.__setattr__(self, "initial", law)

    def _check_slices(self) -> None:
        with placed(f"{self.place}, slices"):
            object.__setattr__(self, "slices", tuple(self.slices))
            for piece in self.slices:
                if not isinstance(piece, SliceSpec):
                    raise ValueError(f"a slice must be a SliceSpec, not {piece!r}")
                if piece.free not in self.free:
                    raise ValueError(f"`free`: {unknown('free parameter', piece.free, self.free)}")
                other = self.free[1 - self.free.index(piece.free)]
                ((parameter, values),) = piece.at.items()
                if parameter != other:
                    raise ValueError(f"`at` must give values of {other}, not of {parameter}: {piece.free} is free")
                for value in values:
                    self.system.check_parameter(parameter, value)
            number = sum(len(next(iter(piece.at.values()))) for piece in self.slices)
            if number > MAX_SLICES:
                raise ValueError(f"{number} diagrams are more than {MAX_SLICES}")


def as_table(what: str, value: Any) -> Mapping[str, Any]:
    """`value` if it is a table, else a ValueError."""
    if not isinstance(value, Mapping):
        raise ValueError(f"`{what}` must be a table, not {value!r}")
    return value


def check_title(title: Any) -> None:
    """A title is text of moderate length."""
    if not isinstance(title, str):
        raise ValueError(f"`title` must be text, not {title!r}")
    if len(title) > MAX_TITLE:
        raise ValueError(f"`title` has {len(title)} characters, more than {MAX_TITLE}")


@dataclass(frozen=True)
class AtlasSpec:
    """What an atlas holds: a title and planes, at least one, each with a name of its own.

    Raises
    ------
    ValueError
        There is no plane, two share a name, or two different systems share one.
    """

    title: str
    planes: tuple[PlaneSpec, ...]
    format: int = SPEC_FORMAT

    def __post_init__(self) -> None:
        if isinstance(self.format, bool) or self.format != SPEC_FORMAT:
            raise ValueError(f"`format` is {self.format!r}; this version of bifur reads format = {SPEC_FORMAT}")
        check_title(self.title)
        object.__setattr__(self, "planes", tuple(self.planes))
        if not 1 <= len(self.planes) <= MAX_PLANES:
            raise ValueError(f"an atlas has 1 ... {MAX_PLANES} planes, not {len(self.planes)}; write [[plane]] tables")
        names: set[str] = set()
        digests: dict[str, str] = {}
        for plane in self.planes:
            if plane.name in names:
                raise ValueError(f"{plane.place}: two planes have this name")
            names.add(plane.name)
            if digests.setdefault(plane.system.name, plane.system.digest) != plane.system.digest:
                raise ValueError(f"{plane.place}, system: two different systems are called {plane.system.name!r}")

    @classmethod
    def from_toml(cls, source: str | Path, /, systems: Mapping[str, System] | None = None) -> AtlasSpec:
        """Read a spec from a TOML file, or from TOML text (a string with a line break).

        `systems` gives systems by plane name, in place of the names and files in the text.

        Raises
        ------
        ValueError
            Names the file, the plane and the key, what was found and what is accepted.
        """
        if isinstance(source, str) and "\n" in source:
            return cls._from_text(source, Path(), systems or {})
        path = path_of("source", source)
        with placed(str(path)):
            return cls._from_text(_read(path), path.parent, systems or {})

    @classmethod
    def _from_text(cls, text: str, folder: Path, systems: Mapping[str, System]) -> AtlasSpec:
        if len(text) > MAX_SPEC:
            raise ValueError(f"a spec of {len(text)} characters is longer than the {MAX_SPEC} that are read")
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"this is no TOML: {error}") from None
        from bifur.atlas import spec_text

        return spec_text.from_table(table, folder, systems)

    def to_toml(self) -> str:
        """The canonical text: equal for equal specs; `from_toml` reads it back."""
        from bifur.atlas import spec_text

        return spec_text.to_text(self)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical text."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    def plane(self, name: str) -> PlaneSpec:
        """The plane of this name; a ValueError if there is none."""
        for plane in self.planes:
            if plane.name == name:
                return plane
        raise ValueError(unknown("plane", name, [plane.name for plane in self.planes]))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError("no such file (a spec is a .toml file, or TOML text with line breaks)") from None
    except UnicodeDecodeError:
        raise ValueError("this is no text file; a spec is TOML in UTF-8") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
