"""What the user can do, as data: for menus, keys and the palette. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MENUS = ("File", "Edit", "Plane", "Diagram", "Portrait", "Compute", "View", "Help")


@dataclass(frozen=True)
class Act:
    """One thing to do.

    `name` is for sessions and tests ("diagram.turn"), `words` for people, `menu` one of `MENUS`. `key` as Qt writes it
    ("Ctrl+O"), `more` others that do the same. `on` says whether a thing that can be on or off is on. An act that
    cannot be done now says why in the notice when it is called.
    """

    name: str
    words: str
    call: Callable[[], object]
    menu: str
    key: str = ""
    on: Callable[[], bool] | None = None
    more: tuple[str, ...] = ()
