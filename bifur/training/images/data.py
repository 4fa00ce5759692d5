"""Images to train on: scikit-learn's handwritten digits, and CIFAR-10 from a local folder."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bifur._late import need
from bifur._say import path_of, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = ("digits", "cifar10")
CIFAR_FILES = tuple(f"data_batch_{k}.bin" for k in range(1, 6))
CIFAR_TEST = "test_batch.bin"
CIFAR_IMAGE = (3, 32, 32)
CIFAR_RECORDS = 10_000  # in each file
_RECORD = 1 + 3 * 32 * 32  # a label, then the planes red, green, blue, row by row


@dataclass(frozen=True)
class Images:
    """Labelled images in two parts; the labels serve the probes alone.

    `train` (n, channels, height, width) and `test` (m, ...) are bytes, of which `brightest` is
    white; `train_labels` (n,) and `test_labels` (m,) count from 0. `flips`: whether a mirrored
    image is as good as the original. `neighbours`: how many the kNN probe asks.
    """

    name: str
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    brightest: int = 255
    flips: bool = False
    neighbours: int = 20

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = getattr(self, part), getattr(self, f"{part}_labels")
            if x.ndim != 4 or not len(x) or x.dtype != np.uint8:
                raise ValueError(f"`{part}` must be bytes (n, channels, height, width), not {x.dtype} {x.shape}")
            if y.shape != (len(x),):
                raise ValueError(
                    f"`{part}_labels` must have one label for each of {len(x)} images, not shape {y.shape}"
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise ValueError(f"`test` has images of {self.test.shape[1:]}, `train` of {self.train.shape[1:]}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.train.shape[1:]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of all images and labels."""
        parts = (self.train, self.train_labels, self.test, self.test_labels)
        value = 0
        for part in parts:
            value = zlib.crc32(np.ascontiguousarray(part).data.cast("B"), value)
        return f"{value:08x}"

    def first(self, count: int) -> Images:
        """With the first `count` training images only.

        Raises
        ------
        ValueError
            There are not so many.
        """
        if not 1 <= count <= len(self.train):
            raise ValueError(f"`count` must be from 1 to {len(self.train)}, not {count!r}")
        changes = {"train": self.train[:count], "train_labels": self.train_labels[:count]}
        return Images(**{**self.__dict__, **changes})


def load_images(name: str = "digits", folder: str | Path | None = None) -> Images:
    """The digits, or CIFAR-10 from `folder`.

    Raises
    ------
    ValueError
        No such data, a folder is missing or not wanted, or its files are not those of CIFAR-10.
    """
    if name not in DATA:
        raise ValueError(f"`data`: {unknown('data', name, DATA)}")
    if name == "digits":
        if folder is not None:
            raise ValueError("`folder` is for cifar10; the digits come with scikit-learn")
        return load_digits()
    if folder is None:
        raise ValueError("`folder` must name the folder with CIFAR-10's binary files; nothing is downloaded")
    return load_cifar10(folder)


def load_digits() -> Images:
    """1797 handwritten digits of 8 x 8 pixels with values 0 to 16, as scikit-learn ships them.

    Every fifth image, in a fixed random order within each digit, is kept for testing. Source:
    Alpaydin & Kaynak 1998, the test part of UCI's "Optical recognition of handwritten digits".
    """
    digits = need("sklearn.datasets", "train").load_digits()
    x = digits.images.astype(np.uint8)[:, None]
    y = digits.target.astype(np.int64)
    held = np.zeros(len(y), bool)
    rng = np.random.default_rng(0)
    for label in range(10):
        held[rng.permutation(np.flatnonzero(y == label))[::5]] = True
    return Images("digits", x[~held], y[~held], x[held], y[held], brightest=16)


def load_cifar10(folder: str | Path) -> Images:
    """CIFAR-10 in its binary form: 50 000 images for training, 10 000 for testing, of 3 x 32 x 32.

    `folder` holds `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, or a folder
    `cifar-10-batches-bin` with them. Source: Krizhevsky 2009.

    Raises
    ------
    ValueError
        The folder or a file is missing, a file has the wrong size, or a label is above 9.
    """
    folder = path_of("folder", folder)
    if not folder.is_dir():
        raise ValueError(f"`folder`: there is no folder {folder}")
    inner = folder / "cifar-10-batches-bin"
    folder = inner if inner.is_dir() else folder
    missing = [name for name in (*CIFAR_FILES, CIFAR_TEST) if not (folder / name).is_file()]
    if missing:
        hint = " (the version for Python is not read: take the binary version)" if _is_pickled(folder) else ""
        raise ValueError(f"`folder`: {folder} lacks {', '.join(missing)} of CIFAR-10's binary version{hint}")
    parts = [read_cifar10(folder / name) for name in CIFAR_FILES]
    test, test_labels = read_cifar10(folder / CIFAR_TEST)
    train = np.concatenate([x for x, _ in parts])
    labels = np.concatenate([y for _, y in parts])
    return Images("cifar10", train, labels, test, test_labels, flips=True, neighbours=200)


def read_cifar10(path: Path, records: int = CIFAR_RECORDS) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One binary file: images (records, 3, 32, 32) and labels (records,).

    Raises
    ------
    ValueError
        The file has another size, or a label is above 9.
    """
    size = path.stat().st_size
    if size != records * _RECORD:
        raise ValueError(f"{path} has {size} bytes, not the {records * _RECORD} of {records} images of CIFAR-10")
    raw = np.fromfile(path, np.uint8).reshape(records, _RECORD)
    labels = raw[:, 0].astype(np.int64)
    if labels.max() > 9:
        raise ValueError(f"{path}: image {labels.argmax()} has label {labels.max()}, and CIFAR-10 has 0 to 9")
    return raw[:, 1:].reshape(records, *CIFAR_IMAGE), labels


def _is_pickled(folder: Path) -> bool:
    return (folder / "data_batch_1").exists() or (folder / "cifar-10-batches-py").is_dir()
