"""Sentences for wrong input: what was found, what is accepted, the nearest right name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


def nearest(name: str, known: Iterable[str]) -> str:
    """`" (did you mean rho?)"`, or nothing."""
    plain = {entry.lower(): entry for entry in known}
    close = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    return f" (did you mean {plain[close[0]]}?)" if close else ""


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """`unknown parameter 'roh': accepted are rho, sigma2 (did you mean rho?)`."""
    names = list(known)
    hint = nearest(name, names) if isinstance(name, str) else ""
    return f"unknown {what} {name!r}: accepted are {', '.join(names) or 'none'}{hint}"


def path_of(argument: str, value: object) -> Path:
    """`value` as a path, else a ValueError that names the argument."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"`{argument}` must be the name of a file, not {value!r}")
    return Path(value)
