"""One move of the cross, as in a drag: the data of all views set, and everything painted, without a screen.

Beside it the painting of one plain image of 256 x 256 with pyqtgraph on the same machine.
Usage: python benchmarks/window.py [atlas.h5]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtWidgets import QApplication

import bifur
from bifur_gui.window import Window, make_window

MOVES = 200


def rest(app: QApplication, window: Window) -> None:
    """Wait until nothing is computed any more."""
    until = time.monotonic() + 0.5
    while time.monotonic() < until or window.worker.busy:
        app.processEvents()
        time.sleep(0.002)


def moves(app: QApplication, window: Window, plane: str, choice: int) -> tuple[list[float], list[float]]:
    """Milliseconds until the data of all views are set, and until all is painted, for each move."""
    model = window.model
    model.choose_plane(plane)
    model.set_map(model.choices[choice])
    rest(app, window)
    model.trajectories.start_at((0.5, -1.0)[: model.system.dimension])
    rest(app, window)
    ny, nx = model.plane.shape
    setting, painting = [], []
    for i in range(MOVES):
        iy, ix = int(ny * (0.5 + 0.45 * np.sin(0.05 * i))), int(nx * (0.5 + 0.45 * np.cos(0.031 * i)))
        began = time.perf_counter()
        model.move_to_node(iy, ix)
        setting.append(1e3 * (time.perf_counter() - began))
        app.processEvents()
        painting.append(1e3 * (time.perf_counter() - began))
        time.sleep(0.004)
    return setting, painting


def plain(app: QApplication) -> list[float]:
    """Milliseconds to paint one image that changes."""
    import pyqtgraph as pg

    view = pg.PlotWidget()
    view.resize(640, 600)
    image = pg.ImageItem()
    view.addItem(image)
    view.show()
    spent = []
    for i in range(60):
        began = time.perf_counter()
        image.setImage(np.full((256, 256), i % 7, dtype=np.float32) + np.arange(256, dtype=np.float32))
        app.processEvents()
        spent.append(1e3 * (time.perf_counter() - began))
    view.close()
    return spent


def main() -> None:
    app = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "atlas.h5"
        if len(sys.argv) < 2:
            bifur.build_atlas(Path(bifur.__file__).parent / "data" / "default.toml", path).close()
        beside = float(np.median(plain(app)))
        window = make_window(path)
        window.show()
        rest(app, window)
        print(f"{'one move of the cross, 1280 x 720':<44}{'median ms':>10}{'95 % ms':>9}{'x one image':>13}")
        print(f"{'one plain image, painted':<44}{beside:>10.1f}{'':>9}{1.0:>13.1f}")
        for plane in window.model.atlas.planes if window.model.atlas else ():
            for choice, words in ((0, "regions"), (-1, "values")):
                for what, spent in zip(("data set", "painted"), moves(app, window, plane, choice), strict=True):
                    middle, high = np.percentile(spent, [50, 95])
                    print(f"{f'{plane}, {words}: {what}':<44}{middle:>10.1f}{high:>9.1f}{middle / beside:>13.1f}")
        window.close()


if __name__ == "__main__":
    main()
