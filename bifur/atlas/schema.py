"""Format version 1 of the atlas file: names, dimensions, types and attributes, in one place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bifur.atlas.plane import COMPLETENESS, DOUBTS, KINDS, NOT_COMPUTED
from bifur.atlas.untrusted import json_of, text_of, texts_of
from bifur.systems.base import System
from bifur.systems.registry import description

FORMAT = "bifur-atlas"
MAJOR, MINOR = 1, 3
VERSION = f"{MAJOR}.{MINOR}"
TILE = 64

# of a system in a stranger's file
MAX_NAMES = 1000
MAX_LABEL = 1000
MAX_WORK = 2**20  # characters of all expressions, times the symmetries that they are held against

# the dimensions of maps: y and x are named after the free parameters
Y, X, EQUILIBRIUM, COMPONENT = "y", "x", "equilibrium", "component"
NODE = (Y, X)
SLOT = (Y, X, EQUILIBRIUM)
VECTOR = (Y, X, EQUILIBRIUM, COMPONENT)


@dataclass(frozen=True)
class Map:
    """A map over the plane: dimensions, type, and what a reader without bifur sees of it."""

    dimensions: tuple[str, ...]
    dtype: str
    long_name: str
    units: str = "1"
    flags: Mapping[int, str] = field(default_factory=dict)

    @property
    def integer(self) -> bool:
        """Integers mark "not computed" by -1, floats by NaN."""
        return self.dtype.startswith("int")


def _flags(names: tuple[str, ...]) -> dict[int, str]:
    return {NOT_COMPUTED: "not_computed"} | dict(enumerate(names))


_UNKNOWN = {NOT_COMPUTED: "not_computed"}

MAPS: Mapping[str, Map] = {
    "n_equilibria": Map(NODE, "int16", "number of equilibria", flags=_UNKNOWN),
    "n_stable": Map(NODE, "int16", "number of stable equilibria", flags=_UNKNOWN),
    "region": Map(NODE, "int16", "region: index into the table `regions`", flags=_UNKNOWN),
    "completeness": Map(NODE, "int8", "how sure it is that no equilibrium is missing", flags=_flags(COMPLETENESS)),
    "doubt": Map(NODE, "int8", "why the node is not proved", flags=_flags(tuple(DOUBTS))),
    "state": Map(VECTOR, "float64", "state of the equilibrium in each slot"),
    "eigenvalues_real": Map(VECTOR, "float64", "real parts of the eigenvalues, decreasing", "1/time"),
    "eigenvalues_imag": Map(VECTOR, "float64", "imaginary parts of the eigenvalues", "1/time"),
    "kind": Map(SLOT, "int8", "kind of the equilibrium in each slot", flags=_flags(KINDS)),
    "n_unstable": Map(SLOT, "int8", "number of eigenvalues with positive real part", flags=_UNKNOWN),
    "oscillatory": Map(SLOT, "int8", "1 where the leading eigenvalues are a complex pair", flags=_UNKNOWN),
    "sheet": Map(SLOT, "int16", "identity of the equilibrium over the plane", flags=_UNKNOWN),
    "residual": Map(SLOT, "float32", "max norm of the field relative to the sum of its absolute terms"),
    "radius": Map(SLOT, "float32", "largest half width of the box around the state that is proved to hold it alone"),
    "leading_state": Map((Y, X, COMPONENT), "float64", "state of the leading non-collapsed sink"),
    "relaxation_rate": Map(NODE, "float64", "rate of the leading non-collapsed sink", "1/time"),
    "curve_distance": Map(NODE, "float64", "distance to the nearest special curve, in widths of the window"),
    "basin_share": Map(NODE, "float64", "probability that a start drawn from the initial law escapes collapse"),
    "basin_share_error": Map(NODE, "float64", "numerical error of basin_share"),
    "max_learning_rate": Map(
        NODE, "float64", "largest learning rate at which gradient descent keeps the leading sink stable", "time"
    ),
}
REQUIRED = tuple(name for name, about in MAPS.items() if about.flags or name in ("state", "eigenvalues_real", "radius"))


def system_attributes(system: System) -> dict[str, Any]:
    """What the group of a system says; lists stay lists, everything nested is JSON."""
    about = description(system)

    def details(name: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": name}
        for key, table in (("label", "labels"), ("tex", "tex"), ("unit", "units")):
            if name in about[table]:
                entry[key] = about[table][name]
        if name in about["bounds"]:
            entry["bounds"] = [end if math.isfinite(end) else None for end in about["bounds"][name]]
        return entry

    return {
        "states": about["states"],
        "state_details": to_json([details(name) for name in system.states]),
        "parameters": to_json([details(name) | {"value": value} for name, value in system.parameters.items()]),
        "definition": system.source,
        "expressions": to_json(about["texts"]),
        "latex": system.latex(),
        "digest": system.digest,
        "collapse": about["collapse"],
        "symmetries": to_json(about["symmetries"]),
        "plane": about["plane"] or [],
        **({"initial": to_json(about["initial"])} if about["initial"] else {}),
        "about": about["about"],
    }


def system_description(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `system_attributes`, as `bifur.systems.registry.from_description` takes it.

    Raises
    ------
    ValueError
        Something is missing, of another kind, or beyond what is read of a stranger's system.
    """
    parameters = [_entry(entry) for entry in json_of(attributes, "parameters", list)]
    entries = [*(_entry(entry) for entry in json_of(attributes, "state_details", list)), *parameters]
    states = texts_of(attributes, "states")
    texts = json_of(attributes, "expressions", list)
    symmetries = json_of(attributes, "symmetries", list) if "symmetries" in attributes else []
    if max(len(states), len(parameters)) > MAX_NAMES:
        raise ValueError(f"a system of more than {MAX_NAMES} states or parameters is not read")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("`expressions` must be a list of texts")
    if sum(map(len, texts)) * max(1, len(symmetries)) > MAX_WORK:
        raise ValueError("the expressions are longer than what is read")

    def collect(key: str) -> dict[str, Any]:
        return {entry["name"]: entry[key] for entry in entries if key in entry}

    return {
        "name": name,
        "states": states,
        "parameters": {entry["name"]: entry.get("value") for entry in parameters},
        "texts": texts,
        "labels": collect("label"),
        "tex": collect("tex"),
        "units": collect("unit"),
        "bounds": {key: _bounds(pair) for key, pair in collect("bounds").items()},
        "collapse": texts_of(attributes, "collapse"),
        "symmetries": symmetries,
        "plane": texts_of(attributes, "plane") or None,
        "initial": json_of(attributes, "initial", dict) if "initial" in attributes else None,
        "about": text_of(attributes, "about"),
    }


def _entry(given: Any) -> Mapping[str, Any]:
    """What is said of a state or parameter: a table whose labels are texts."""
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise ValueError("what is said of a state or parameter must be a table with a `name`")
    for key in ("label", "tex", "unit"):
        if not isinstance(given.get(key, ""), str) or len(given.get(key, "")) > MAX_LABEL:
            raise ValueError(f"`{key}` of {given['name'][:60]} must be a short text")
    if not isinstance(given.get("value", 0), int | float):
        raise ValueError(f"`value` of {given['name'][:60]} must be a number")
    return given


def _bounds(pair: Any) -> tuple[float, float]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(end, int | float | None) for end in pair):
        raise ValueError("`bounds` must be two numbers, or null where there is no bound")
    low, high = pair
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


def to_json(value: Any) -> str:
    """JSON on one line; names keep their order, letters their shape."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
