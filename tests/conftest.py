"""Set before any test imports Qt: no screen, and the one Qt binding that is tested."""

from __future__ import annotations

import os
import secrets

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"


@pytest.fixture(autouse=True)
def scanned(tmp_path_factory, monkeypatch):
    """What is remembered of files that were read in a trial process is kept apart from the user's."""
    from bifur.atlas import quarantine

    store = tmp_path_factory.getbasetemp() / f"scanned-{secrets.token_hex(8)}.json"
    monkeypatch.setattr(quarantine, "_store", lambda: store)
    return store
