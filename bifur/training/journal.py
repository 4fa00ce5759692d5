"""What keeps an unfinished training: a file beside the atlas, written now and then, by renaming."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS = 10.0  # between two writes
LARGEST = 8 << 30  # bytes of a journal: what claims to be larger is not ours


class Journal:
    """`load` and `save` of named arrays in `NAME.h5.more/.validation-<plane>-<key>.unfinished`.

    The key is a digest of everything the numbers depend on, so that only the same validation goes on from it. A file
    that is damaged counts as none.
    """

    def __init__(self, atlas: Path, plane: str, settings: Mapping[str, Any], seconds: float = SECONDS) -> None:
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        self.path = atlas.with_name(atlas.name + ".more") / f".validation-{plane}-{key}.unfinished"
        self.seconds, self._last = seconds, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._last >= self.seconds

    def load(self) -> dict[str, NDArray[Any]] | None:
        """The arrays that were saved last, or None."""
        try:
            with zipfile.ZipFile(self.path) as packed:
                if sum(entry.file_size for entry in packed.infolist()) > LARGEST:
                    return None
            with np.load(self.path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None

    def save(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep these arrays in place of the last ones.

        Raises
        ------
        ValueError
            The folder beside the atlas cannot be written.
        """
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            raise ValueError(f"{self.path.parent}: cannot write there: {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)
        self._last = time.monotonic()

    def remove(self) -> None:
        """The training is finished."""
        self.path.unlink(missing_ok=True)
