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


def listed(entries: Iterable[object], most: int = 20) -> str:
    """`a, b, c`; of more than `most` the first and the last ones."""
    words = [str(entry) for entry in entries]
    return ", ".join(words if len(words) <= most else [*words[: most // 3], "...", *words[-(most // 3) :]])


def numbers(values: Iterable[float]) -> str:
    """The components of a state, with six digits; of a long one the first and the last."""
    return listed(f"{value:.6g}" for value in values)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """`unknown parameter 'roh': accepted are rho, sigma2 (did you mean rho?)`."""
    names = list(known)
    hint = nearest(name, names) if isinstance(name, str) else ""
    return f"unknown {what} {name!r}: accepted are {listed(names) or 'none'}{hint}"


def path_of(argument: str, value: object) -> Path:
    """`value` as a path, else a ValueError that names the argument."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"`{argument}` must be the name of a file, not {value!r}")
    return Path(value)
