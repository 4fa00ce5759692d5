"""Where systems come from: the bundled ones by name, a user's own file, the plain description that an atlas stores."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

from bifur._say import path_of, unknown
from bifur.systems import expression, ops
from bifur.systems.base import System, line_in


def from_expressions(
    name: str, states: Sequence[str], parameters: Mapping[str, float], texts: Sequence[str], **about: Any
) -> System:
    """A system from arithmetic text, as an atlas stores it: parsed by a whitelist, never executed."""
    names = (*states, *parameters)
    trees = [expression.parse(source, names) for source in texts]

    def field(u: Any, p: Any) -> tuple[Any, ...]:
        values = {**dict(zip(states, u, strict=True)), **vars(p)}
        symbolic = any(isinstance(value, expression.Expression) for value in values.values())
        constant: Callable[[Fraction], Any] = expression.number if symbolic else float
        return tuple(expression.evaluate(trees, values, constant, ops.apply))

    return System(name, field, states=states, parameters=parameters, source="\n".join(texts), **about)


def description(system: System) -> dict[str, Any]:
    """Everything but the Python function, in plain types: what an atlas stores, what travels between processes."""
    return {
        "name": system.name,
        "states": list(system.states),
        "parameters": dict(system.parameters),
        "texts": list(system.texts),
        "labels": dict(system.labels),
        "tex": dict(system.tex),
        "units": dict(system.units),
        "bounds": {key: list(value) for key, value in system.bounds.items()},
        "collapse": list(system.collapse),
        "symmetries": [dict(entry) for entry in system.symmetries],
        "plane": list(system.plane) if system.plane else None,
        "initial": system.initial.written if system.initial else None,
        "about": system.about,
    }


def from_description(about: Mapping[str, Any]) -> System:
    """The inverse of `description`; a bundled system of the same digest is returned as itself."""
    given = dict(about)
    given["bounds"] = {key: (low, high) for key, (low, high) in given.get("bounds", {}).items()}
    system = from_expressions(
        given.pop("name"), given.pop("states"), given.pop("parameters"), given.pop("texts"), **given
    )
    if system.name in _BUNDLED:
        bundled = get_system(system.name)
        if bundled.digest == system.digest:
            return bundled
    return system


# ---- the registry -----------------------------------------------------------------------

# name -> the module that defines it
_BUNDLED = {
    "l2": "l2",
    "l2-full": "l2",
    "l2-decays": "ablations",
    "l2-no-stopgrad": "ablations",
    "l2-no-predictor": "ablations",
    "byol": "byol",
    "cosine": "cosine",
    "cosine-full": "cosine",
    "cosine-modes": "modes",
    "phinet": "phinet",
    "phinet-full": "phinet",
    "phinet-talk": "phinet",
    "phinet-weighted": "phinet",
    "x-phinet": "phinet",
    "directset": "directset",
    "isoloss": "directset",
}


def list_systems() -> list[str]:
    """Names of the bundled systems."""
    return list(_BUNDLED)


def get_system(name: str | System) -> System:
    """A bundled system by name; a `System` is returned as it is.

    Raises
    ------
    ValueError
        No bundled system has this name.
    """
    if isinstance(name, System):
        return name
    if not isinstance(name, str):
        raise ValueError(f"`system` must be a bifur.System or one of the names {', '.join(_BUNDLED)}, not {name!r}")
    if name not in _BUNDLED:
        raise ValueError(f"{unknown('system', name, _BUNDLED)}; your own is loaded by bifur.load_system('file.py')")
    module = importlib.import_module(f"bifur.systems.{_BUNDLED[name]}")
    return next(system for system in systems_in(module) if system.name == name)


def load_system(path: str | Path, name: str | None = None) -> System:
    """A user's own system from a Python file: the one called `name`, else the one bound to `system`, else the only one.

    Raises
    ------
    ValueError
        The file cannot be read or run, or holds no system, or several without a choice.
    """
    path = path_of("path", path)
    spec = importlib.util.spec_from_file_location(f"bifur_user_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"{path}: no such Python file (a system's file ends in .py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from None
    except Exception as error:
        raise ValueError(f"{path}{line_in(error, str(path))}: {error}") from error
    found = list(systems_in(module))
    if name is not None:
        for system in found:
            if system.name == name:
                return system
        raise ValueError(f"{path}: {unknown('system', name, [system.name for system in found])}")
    if isinstance(getattr(module, "system", None), System):
        return module.system
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"{path} defines no bifur.System; bind one to the name `system`")
    raise ValueError(f"{path} defines {', '.join(s.name for s in found)}: bind one to `system`, or give its name")


def systems_in(module: ModuleType) -> Iterator[System]:
    """The systems bound to names of a module, each once."""
    seen: list[System] = []
    for value in vars(module).values():
        if isinstance(value, System) and not any(value is other for other in seen):
            seen.append(value)
            yield value
