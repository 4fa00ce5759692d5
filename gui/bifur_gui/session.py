"""What is kept from one window to the next: written whole or not at all, read with care. No Qt."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_state_dir

if TYPE_CHECKING:
    from bifur_gui.model import Model

FORMAT = "bifur-session"
VERSION = 1
MOST_BYTES = 1 << 20
MOST_DEPTH, MOST_ENTRIES = 8, 4096
LAST = "session.json"


def folder() -> Path:
    """Where sessions are kept; `BIFUR_STATE_DIR` moves it."""
    return Path(os.environ.get("BIFUR_STATE_DIR") or user_state_dir("bifur"))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it: it is there whole, or not.

    Raises
    ------
    OSError
        It cannot be written there.
    """
    part = path.with_name(f".{path.name[:40]}-{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write(path: Path, kept: Mapping[str, Any]) -> None:
    """Keep a session.

    Raises
    ------
    OSError
        It cannot be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "version": VERSION, **kept}, indent=1, default=_plain, allow_nan=False)
    write_whole(path, text.encode())


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def read(path: Path) -> dict[str, Any]:
    """A session that was kept.

    Raises
    ------
    ValueError
        There is none, it is damaged, or of another version; the sentence says which.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: no session can be read there ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path}: this is no session of bifur: it is larger than {MOST_BYTES >> 20} MiB")
    try:
        kept = json.loads(content.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: this is no session of bifur, or a damaged one") from None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise ValueError(f"{path}: this is no session of bifur")
    if kept.get("version") != VERSION:
        raise ValueError(f"{path}: a session of another version of bifur")
    if not _small(kept, MOST_DEPTH):
        raise ValueError(f"{path}: this is no session of bifur, or a damaged one")
    return kept


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _small(value: Any, depth: int) -> bool:
    if depth < 0:
        return False
    if isinstance(value, Mapping):
        return len(value) <= MOST_ENTRIES and all(_small(one, depth - 1) for one in value.values())
    if isinstance(value, list):
        return len(value) <= MOST_ENTRIES and all(_small(one, depth - 1) for one in value)
    return not isinstance(value, float) or math.isfinite(value)


# ---- what is kept of the model ---------------------------------------------------------------


def of_model(model: Model) -> dict[str, Any]:
    """What is shown, in plain types; empty where nothing is."""
    if model.plane is None or model.atlas is None:
        return {"theme": model.theme}
    line = model.slice
    selected = model.selected
    return {
        "theme": model.theme,
        "file": str(model.atlas.path.absolute()),
        "plane": model.plane.name,
        "map": {"name": model.choice.name, "component": model.choice.component},
        "cross": list(model.cross),
        "overrides": dict(model.overrides),
        "axis": line.axis,
        "ordinate": line.ordinates[line.ordinate],
        "selected": None if selected is None else selected.state.tolist(),
        "starts": [start.tolist() for start in model.trajectories.starts],
    }


def file_of(kept: Mapping[str, Any]) -> Path | None:
    """The file of a session, if it names one that is still there."""
    name = kept.get("file")
    if not isinstance(name, str) or not name or "\0" in name:
        return None
    try:
        return Path(name) if Path(name).exists() else None
    except OSError:
        return None


def apply(model: Model, kept: Mapping[str, Any], then: Callable[[], object] = lambda: None) -> None:
    """Show what a session tells in the open file, `then` do more; what does not fit any more is passed over."""
    if model.atlas is None or model.plane is None:
        return

    def rest() -> None:
        _apply_rest(model, kept)
        then()

    def go_on() -> None:
        _apply_map(model, kept.get("map"), rest)

    if kept.get("plane") in model.atlas.planes and kept["plane"] != model.plane.name:
        model.choose_plane(kept["plane"], go_on)
    else:
        go_on()


def _apply_rest(model: Model, kept: Mapping[str, Any]) -> None:
    cross = _numbers(kept.get("cross"))
    if len(cross) == 2:
        model.move_to(cross[0], cross[1])
    _apply_overrides(model, kept.get("overrides"))
    line = model.slice
    if kept.get("axis") in (0, 1):
        line.set_axis(int(kept["axis"]))
    if kept.get("ordinate") in line.ordinates:
        line.set_ordinate(line.ordinates.index(kept["ordinate"]))
    selected, n = _numbers(kept.get("selected")), model.system.dimension
    if len(selected) == n:
        model.select(selected)
    starts = kept.get("starts")
    for start in starts if isinstance(starts, list) else ():
        if len(_numbers(start)) == n:
            model.trajectories.start_at(_numbers(start))


def _apply_map(model: Model, kept: Any, then: Callable[[], object]) -> None:
    if isinstance(kept, Mapping):
        wanted = kept.get("name"), kept.get("component")
        for choice in model.choices:
            if (choice.name, choice.component) == wanted and choice != model.choice:
                model.set_map(choice, then)
                return
    then()


def _apply_overrides(model: Model, kept: Any) -> None:
    if not isinstance(kept, Mapping):
        return
    known = model.system.parameters
    values = {name: float(value) for name, value in kept.items() if name in known and _is_number(value)}
    if values:
        with contextlib.suppress(ValueError):  # bounds that the system did not have then
            model.set_parameters(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _numbers(value: Any) -> list[float]:
    """A list of finite numbers; anything else is none."""
    if not isinstance(value, list) or not all(_is_number(one) for one in value):
        return []
    return [float(one) for one in value]
