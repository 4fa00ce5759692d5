"""Sentences for wrong input: what was found, what is accepted, the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """`" (did you mean rho?)"`, or nothing."""
    plain = {entry.lower(): entry for entry in known}
    close = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    return f" (did you mean {plain[close[0]]}?)" if close else ""


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """`unknown parameter 'roh': accepted are rho, sigma2 (did you mean rho?)`."""
    names = list(known)
    return f"unknown {what} {name!r}: accepted are {', '.join(names) or 'none'}{nearest(str(name), names)}"
