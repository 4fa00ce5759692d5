"""`bifur gui`, and the system libraries that Qt needs; `bifur gui --check` looks for them alone."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import click

from bifur import _late
from bifur.cli.base import DONE

# shared library -> Debian package (Ubuntu 24.04 takes the same names)
ANY_SCREEN = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
}
X11 = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}


@click.command(short_help="Browse an atlas in a window.")
@click.argument("atlas", required=False, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only look for the system libraries that Qt needs without a screen.")
def gui(atlas: Path | None, check: bool) -> int:
    """Open the window, on ATLAS if one is given.

    ATLAS may be an unfinished build, by its name or its folder: the window shows what is there, and more as it goes on.
    """
    if check:
        refuse_without_libraries(x11=False)
        return DONE
    refuse_without_libraries(x11="DISPLAY" in os.environ and "QT_QPA_PLATFORM" not in os.environ)
    return int(_late.gui().main(atlas))


def refuse_without_libraries(x11: bool) -> None:
    """Name the Debian packages of the shared libraries that Qt would not find."""
    wanted = ANY_SCREEN | X11 if x11 else ANY_SCREEN
    packages = [package for library, package in wanted.items() if sys.platform == "linux" and not _loads(library)]
    if packages:
        raise OSError(
            f"Qt, which draws the window, needs system libraries that are missing; "
            f"on Debian or Ubuntu: apt-get install {' '.join(packages)}"
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
