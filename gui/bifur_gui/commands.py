"""What the palette lists, which entries a few letters find, and places written as `sigma2=0.5 rho=0.01`. No Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bifur._say import unknown

if TYPE_CHECKING:
    from bifur_gui.acts import Act

_PAIR = re.compile(r"\s*,?\s*([^\s=,]+)\s*=\s*([^\s=,]+)")
_GO = re.compile(r"\s*go\s+to\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """A line of the palette: words, where else it is found, and what it does."""

    name: str
    words: str
    call: Callable[[], object]
    menu: str = ""
    key: str = ""


def of_act(act: Act) -> Command:
    """The command of an act."""
    return Command(act.name, act.words, act.call, act.menu, act.key)


def score(words: str, query: str) -> float | None:
    """How well a few letters fit, larger is better; None where they do not.

    Every word of the query begins a word of the entry, stands in it, or is spelt by letters of it in order; the first
    is best.
    """
    text = words.casefold()
    starts = {match.start() for match in re.finditer(r"\w+", text)}
    total = 0.0
    for part in query.casefold().split():
        places = [match.start() for match in re.finditer(re.escape(part), text)]
        if starts.intersection(places):
            total += 3.0 + (1.0 if places[0] == 0 else 0.0)
        elif places:
            total += 2.0
        elif _spelt(part, text, starts):
            total += 1.0
        else:
            return None
    return total - len(text) / 1000


def _spelt(part: str, text: str, starts: Iterable[int]) -> bool:
    """Whether the letters of `part` come in this order, the first at the beginning of a word."""
    for start in sorted(starts):
        place = start - 1
        for i, letter in enumerate(part):
            place = text.find(letter, place + 1)
            if place < 0 or (i == 0 and place != start):
                break
        else:
            return True
    return False


def find(commands: Sequence[Command], query: str) -> list[Command]:
    """The commands that fit, the best first; all in their order where nothing is asked."""
    found = [(score(f"{one.words} {one.menu}", query), i, one) for i, one in enumerate(commands)]
    fits = [(value, i, one) for value, i, one in found if value is not None]
    return [one for _, _, one in sorted(fits, key=lambda entry: (-entry[0] if query.strip() else 0.0, entry[1]))]


def is_place(query: str) -> bool:
    """Whether a query names values, such as `sigma2=0.5`."""
    return "=" in query


def place_of(query: str, known: Mapping[str, float]) -> dict[str, float]:
    """The values that a query names.

    Raises
    ------
    ValueError
        A name is none of `known` (the nearest right one is told), a value no finite number, or there is more.
    """
    text = _GO.sub("", query)
    found: dict[str, float] = {}
    end = 0
    while (match := _PAIR.match(text, end)) is not None:
        name, value = match.groups()
        if name not in known:
            raise ValueError(unknown("parameter", name, known))
        try:
            found[name] = float(value)
        except ValueError:
            raise ValueError(f"`{name}` must be a number, not {value!r}") from None
        if not math.isfinite(found[name]):
            raise ValueError(f"`{name}` must be a finite number, not {value}")
        end = match.end()
    rest = text[end:].strip(" ,")
    if rest or not found:
        example = ", ".join(f"{name} = {value:.4g}" for name, value in list(known.items())[:2])
        raise ValueError(f"a place is written as {example}, not {rest or query.strip()!r}")
    return found
