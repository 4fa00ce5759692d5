"""Unfinished builds of other processes: how they are named, and what became of one since it was read. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bifur
from bifur.atlas import parts, quarantine

if TYPE_CHECKING:
    from bifur.atlas.reader import Atlas

FINISHED = "the build is finished"


def atlas_of(path: str | Path) -> Path:
    """The atlas that a path stands for: that of an unfinished build by its folder, or by a file in the folder."""
    path = Path(path)
    for folder in (path, path.parent):
        if folder.suffix == parts.SUFFIX and not folder.is_file():
            atlas = folder.with_suffix("")
            if folder is path or parts.exists(atlas):
                return atlas
    return path


def is_unfinished(path: Path) -> bool:
    """Whether there is no such atlas yet, but a build of it."""
    return not path.exists() and parts.exists(path)


def progress_words(atlas: Atlas) -> str:
    """How much of an atlas is there; nothing where it is finished."""
    return "" if atlas.tiles is None else "{} of {} tiles".format(*atlas.tiles)


@dataclass(frozen=True)
class Look:
    """What a look at a build found: more of it, opened, if there is more; how far it is; a sentence where it fails."""

    atlas: Atlas | None = None
    words: str = ""
    trouble: str = ""


def look(shown: Atlas) -> Look:
    """See what became of the build that is `shown`; takes as long as opening it, where there is more of it."""
    try:
        fresh = _reopened(shown)
    except (ValueError, OSError) as error:
        return Look(words=progress_words(shown), trouble=str(error))
    if fresh is not None and fresh.finished:
        return Look(fresh, FINISHED)
    try:
        return Look(fresh, *_judged(fresh or shown))
    except (ValueError, OSError):  # packed, or removed, since then: the next look sees it
        return Look(fresh, progress_words(fresh or shown))


def _reopened(shown: Atlas) -> Atlas | None:
    """The same build with more of it, or packed; None where nothing is new."""
    path = shown.path
    if path.exists():
        quarantine.scan_apart(path)
    else:
        if not parts.exists(path):
            raise ValueError(f"{path}: the build is gone; what was read of it stays")
        begun = parts.open_parts(path)
        _check_spec(shown, begun.spec.digest)
        if shown.tiles is not None and len(begun.finished()) == shown.tiles[0]:
            return None
    fresh = bifur.open_atlas(path)
    try:
        _check_spec(shown, fresh.spec_digest)
    except ValueError:
        fresh.close()
        raise
    if fresh.tiles == shown.tiles:
        fresh.close()
        return None
    return fresh


def _check_spec(shown: Atlas, digest: str) -> None:
    if digest != shown.spec_digest:
        raise ValueError(f"{shown.path}: the build was begun anew with another spec; F5 shows that one")


def _judged(atlas: Atlas) -> tuple[str, str]:
    """How far the build is, and what is wrong with it."""
    words = progress_words(atlas)
    if not parts.exists(atlas.path):  # packed though tiles were missing, and the others are gone
        return words, ""
    status = bifur.build_status(atlas.path)
    if status.failures:
        words += f", {len(status.failures)} failed"
        return words, f"{atlas.path}: a tile failed ({status.failures[0]}); `bifur build --retry` computes it again"
    if status.finished == status.tiles:
        return f"{words}, being packed", ""
    if status.working and math.isfinite(status.seconds_left):
        return f"{words}, about {span_words(status.seconds_left)} left", ""
    if status.builders and not status.working:
        return words, f"{atlas.path}: nobody is at work on this build; the same `bifur build` goes on"
    return words, ""


def span_words(seconds: float) -> str:
    """A time in the unit in which one thinks of it."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
