"""Text of a stranger's file as plain values: JSON and TOML within limits, attributes of the right kind."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

MAX_JSON = 2**22
MAX_TOML = 2**20
MAX_DEPTH = 32
MAX_KEY = 16  # parts of a dotted key
_MAX_DIGITS = 400

# quoted text, whose brackets are letters like others
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"' + r"|'[^'\n]*+'", re.DOTALL)
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{{MAX_KEY}}}")
# a terminal would obey them; and what is no UTF-8
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def json_of(attributes: Mapping[str, Any], name: str, kind: type = dict) -> Any:
    """The JSON value of an attribute, of this kind (dict or list); finite numbers only.

    Raises
    ------
    ValueError
        It is missing, too large, too deep, no JSON, or of another kind.
    """
    return parse_json(text_of(attributes, name), kind, f"`{name}`")


def parse_json(text: Any, kind: type, what: str) -> Any:
    """JSON of this kind; `what` names it in the sentence."""
    if not isinstance(text, str):
        raise ValueError(f"{what} is no text")
    _check(text, MAX_JSON, what)
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON that is read: {error}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{what} must be a JSON {'object' if kind is dict else 'list'}")
    _check_texts(value, what)
    return value


def parse_toml(text: Any, what: str) -> dict[str, Any]:
    """A TOML table; a ValueError where it is too large or too deep, or no TOML."""
    if not isinstance(text, str):
        raise ValueError(f"{what} is no text")
    _check(text, MAX_TOML, what)
    if _LONG_KEY.search(text):
        raise ValueError(f"{what} has a key of more than {MAX_KEY} parts")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no TOML that is read: {error}") from None
    _check_texts(table, what)
    return table


def _check_texts(value: Any, what: str) -> None:
    """All texts in nested lists and tables are plain."""
    pending = [value]
    while pending:
        entry = pending.pop()
        if isinstance(entry, str):
            plain(entry, what)
        elif isinstance(entry, list):
            pending += entry
        elif isinstance(entry, dict):
            pending += [*entry, *entry.values()]


def _check(text: str, most: int, what: str) -> None:
    """Size, and depth before a parser that recurses sees it."""
    if len(text) > most:
        raise ValueError(f"{what} has {len(text)} characters, more than the {most} that are read")
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", _QUOTED.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"{what} is nested more than {MAX_DEPTH} deep")


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word[:20]} is too large a number")
    return value


def _whole(word: str) -> int | float:
    if len(word) > _MAX_DIGITS or not math.isfinite(float(word)):
        raise ValueError(f"a number of {len(word)} digits is not read")
    return int(word)


def plain(text: str, what: str) -> str:
    """`text` if it is UTF-8 without control characters, which a terminal would obey."""
    if _CONTROL.search(text):
        raise ValueError(f"{what} holds characters that are no text")
    return text


# ---- attributes -------------------------------------------------------------------------


def text_of(attributes: Mapping[str, Any], name: str) -> str:
    """An attribute that is one text."""
    if name not in attributes:
        raise ValueError(f"the attribute `{name}` is missing")
    value = attributes[name]
    if not isinstance(value, str):
        raise ValueError(f"the attribute `{name}` is no text")
    return plain(value, f"the attribute `{name}`")


def texts_of(attributes: Mapping[str, Any], name: str, count: int | None = None) -> list[str]:
    """An attribute that is a list of texts, of `count` texts where that is given."""
    if name not in attributes:
        raise ValueError(f"the attribute `{name}` is missing")
    value = attributes[name]
    # h5py gives an empty list the type of numbers
    empty = isinstance(value, h5py.Empty) or (isinstance(value, np.ndarray) and not value.size)
    values = [] if empty else value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(values, list) or not all(isinstance(entry, str) for entry in values):
        raise ValueError(f"the attribute `{name}` is no list of texts")
    if count not in (None, len(values)):
        raise ValueError(f"the attribute `{name}` has {len(values)} entries, not {count}")
    return [plain(entry, f"the attribute `{name}`") for entry in values]


def table_of_numbers(attributes: Mapping[str, Any], name: str) -> dict[str, float]:
    """An attribute that is JSON of names with numbers."""
    table = json_of(attributes, name)
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"`{name}`: {key[:60]!r} is no number")
    return table
