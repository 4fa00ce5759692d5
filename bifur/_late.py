"""The two calls that reach upward, `bifur gui` and `.plot()`, and extras imported only where used."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


def need(module: str, extra: str) -> Any:
    """Import `module`, or say in one sentence which extra brings it.

    Raises
    ------
    ImportError
        The extra is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing.partition(".")[0] == "bifur":
            raise
        raise ImportError(
            f"this needs {missing}, which the extra `{extra}` brings: pip install 'bifur[{extra}]'"
        ) from None


def plotting() -> ModuleType:
    """`bifur.plotting`, which needs the extra `plot`."""
    need("matplotlib", "plot")
    return importlib.import_module("bifur.plotting")


def gui() -> ModuleType:
    """`bifur_gui`, which needs the extra `gui`."""
    need("PySide6.QtCore", "gui")
    need("pyqtgraph", "gui")
    return importlib.import_module("bifur_gui.running")
