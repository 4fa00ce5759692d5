"""A spec as TOML: reading a parsed table with its places named, the canonical text, the differences of two specs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bifur._say import unknown
from bifur.atlas.spec import SPEC_FORMAT, USUAL_MAPS, AtlasSpec, Axis, PlaneSpec, SliceSpec, as_table, placed
from bifur.systems.base import System
from bifur.systems.registry import get_system, load_system

_TOP = ("format", "title", "plane")
_PLANE = ("name", "system", "system_digest", "x", "y", "fixed", "maps", "initial", "slices", "refine", "title")
_AXIS = ("parameter", "span", "points", "scale")
_SLICE = ("free", "at")


# ---- reading ----------------------------------------------------------------------------


def from_table(table: Mapping[str, Any], folder: Path, systems: Mapping[str, System]) -> AtlasSpec:
    """The spec in a parsed TOML table; files are relative to `folder`, `systems` by plane name go before both."""
    _known_keys(table, _TOP)
    written = table.get("format", SPEC_FORMAT)
    if written != SPEC_FORMAT or isinstance(written, bool):
        raise ValueError(f"`format` is {written!r}; this version of bifur reads format = {SPEC_FORMAT}")
    planes = table.get("plane", [])
    if not isinstance(planes, list):
        raise ValueError("`plane` must be written as [[plane]] tables, with two brackets")
    return AtlasSpec(
        title=table.get("title", ""),
        planes=tuple(_plane(index, plane, folder, systems) for index, plane in enumerate(planes)),
        format=written,
    )


def _known_keys(table: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise ValueError(unknown("key", key, known))


def _required(table: Mapping[str, Any], key: str) -> Any:
    if key not in table:
        raise ValueError(f"`{key}` is missing")
    return table[key]


def _plane(index: int, table: Any, folder: Path, systems: Mapping[str, System]) -> PlaneSpec:
    name = table.get("name") if isinstance(table, Mapping) else None
    place = f'plane "{name}"' if isinstance(name, str) else f"plane number {index + 1}"
    with placed(place):
        _known_keys(as_table("plane", table), _PLANE)
        for key in ("name", "system", "x", "y"):
            _required(table, key)
        slices = table.get("slices", [])
        if not isinstance(slices, list):
            raise ValueError(f"`slices` must be a list of tables, not {slices!r}")
    with placed(f"{place}, system"):
        system = _system(table, folder, systems)
    return PlaneSpec(
        name=name,  # type: ignore[arg-type]
        system=system,
        x=_axis(f"{place}, x", table["x"]),
        y=_axis(f"{place}, y", table["y"]),
        fixed=table.get("fixed", {}),
        maps=table.get("maps", USUAL_MAPS),
        slices=tuple(_slice(f"{place}, slices", entry) for entry in slices),
        refine=table.get("refine", 0),
        title=table.get("title", ""),
        source=table["system"],
        initial=table.get("initial"),
    )


def _system(table: Mapping[str, Any], folder: Path, systems: Mapping[str, System]) -> System:
    written = table["system"]
    if not isinstance(written, str) or not written:
        raise ValueError(f"`system` must be the name of a bundled system or a .py file, not {written!r}")
    if table["name"] in systems:
        system = systems[table["name"]]
    else:
        system = load_system(folder / written) if written.endswith(".py") else get_system(written)
    digest = table.get("system_digest", system.digest)
    if digest != system.digest:
        raise ValueError(f"{written} is not the system that `system_digest` stands for: its equations have changed")
    return system


def _axis(place: str, table: Any) -> Axis:
    with placed(place):
        key = place[-1]
        _known_keys(as_table(key, table), _AXIS)
        parameter, span, points = (_required(table, entry) for entry in _AXIS[:3])
        return Axis(parameter, span, points, table.get("scale", "linear"))


def _slice(place: str, table: Any) -> SliceSpec:
    with placed(place):
        _known_keys(as_table("slices", table), _SLICE)
        return SliceSpec(_required(table, "free"), _required(table, "at"))


# ---- writing ----------------------------------------------------------------------------


def _value(value: Any) -> str:
    """One value in TOML's inline form."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(entry)}" for key, entry in value.items()) + "}"
    return "[" + ", ".join(_value(entry) for entry in value) + "]"


def _axis_table(axis: Axis) -> dict[str, Any]:
    return {"parameter": axis.parameter, "span": axis.span, "points": axis.points, "scale": axis.scale}


def tables(spec: AtlasSpec) -> dict[str, dict[str, Any]]:
    """What a spec says, in plain types: `""` for the atlas, then one table for each plane."""
    everything: dict[str, dict[str, Any]] = {"": {"format": spec.format, "title": spec.title}}
    for plane in spec.planes:
        everything[plane.name] = {
            "name": plane.name,
            "system": plane.source,
            "system_digest": plane.system.digest,
            "x": _axis_table(plane.x),
            "y": _axis_table(plane.y),
            "fixed": plane.fixed,
            "maps": plane.maps,
            "slices": [{"free": piece.free, "at": piece.at} for piece in plane.slices],
            # left out where there is none: the texts of older specs stay as they are
            **({"initial": plane.initial.written} if plane.initial else {}),
            **({"refine": plane.refine} if plane.refine else {}),
            "title": plane.title,
        }
    return everything


def to_text(spec: AtlasSpec) -> str:
    """The canonical TOML text of a spec."""
    lines: list[str] = []
    for name, table in tables(spec).items():
        if name:
            lines += ["", "[[plane]]"]
        lines += [f"{key} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[before + key] = _value(value)
    return flat


def differences(old: AtlasSpec, new: AtlasSpec) -> list[str]:
    """What `new` says otherwise than `old`: `plane "phinet", x.points: 256 -> 128`."""
    found: list[str] = []
    before, after = tables(old), tables(new)
    for name in {**before, **after}:
        place = f'plane "{name}"' if name else "atlas"
        if name not in after or name not in before:
            found.append(f"{place}: {'added' if name in after else 'left out'}")
            continue
        one, other = _flat(before[name]), _flat(after[name])
        if one.get("system") == other.get("system") and one.get("system_digest") != other.get("system_digest"):
            found.append(f"{place}: the equations of {after[name]['system']} changed")
        for key in {**one, **other}:
            if key != "system_digest" and one.get(key) != other.get(key):
                found.append(f"{place}, {key}: {one.get(key, 'none')} -> {other.get(key, 'none')}")
    if not found and list(before) != list(after):
        found.append(f"order of the planes: {', '.join(list(before)[1:])} -> {', '.join(list(after)[1:])}")
    return found
