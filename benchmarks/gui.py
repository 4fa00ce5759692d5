"""The window under a drag: when each view holds the new point, when it is painted; the first map of a large file.

A cross is dragged over 1024 x 1024 nodes of `phinet` at 1280 x 720, without a screen, 60 moves a second. "Set" is the
time until plane, diagram, portrait and spectrum have been given the data of the new point, "painted" until they are
drawn, "basins" until the basins of the new point are drawn. Beside it the painting of one plain image that changes.
Usage: python benchmarks/gui.py [atlas.h5 [large.h5]]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

import bifur
from bifur_gui.window import Window, make_window

MOVES, RATE = 300, 60.0
VIEWS = ("plane", "diagram", "phase", "spectrum")
PLANE = """
[[plane]]
name = "{name}"
system = "phinet"
x = {{parameter = "sigma2", span = [0, 2], points = {n}}}
y = {{parameter = "rho", span = [1e-5, 1], points = {n}, scale = "log"}}
maps = ["relaxation_rate", "curve_distance"{more}]
"""


def build(path: Path, n: int, planes: int = 1, more: str = "") -> None:
    """An atlas of `phinet` planes of n x n nodes."""
    spec = path.with_suffix(".toml")
    spec.write_text(
        'format = 1\ntitle = "drag"\n' + "".join(PLANE.format(name=f"p{i}", n=n, more=more) for i in range(planes))
    )
    bifur.build_atlas(spec, path, threads=2).close()


def rest(app: QApplication, window: Window) -> None:
    """Wait until nothing is computed any more."""
    until = time.monotonic() + 0.7
    while time.monotonic() < until or window.worker.busy:
        app.processEvents()
        time.sleep(0.002)


class Watch:
    """Notes when each view was last given the data of the present point."""

    def __init__(self, window: Window) -> None:
        self.window, self.when = window, {}
        for name in VIEWS:
            view = window.views[name]
            view.refresh = self._noting(name, view.refresh)

    def _noting(self, name, refresh):
        def noted(event: str) -> None:
            refresh(event)
            if name not in self.when and self._holds(name):
                self.when[name] = time.perf_counter()

        return noted

    def _holds(self, name: str) -> bool:
        """Whether what the view draws belongs to the point: equilibria, or a line of the diagram, are there."""
        model = self.window.model
        if name == "plane":
            return True
        if name == "diagram":
            return model.slice.column is not None or model.slice.traced is not None
        return bool(model.marks)


def drag(app: QApplication, window: Window) -> dict[str, list[float]]:
    """Milliseconds for each move of one drag."""
    model, watch = window.model, Watch(window)
    assert model.plane is not None
    ny, nx = model.plane.shape
    spent: dict[str, list[float]] = {"set": [], "painted": []}
    for i in range(MOVES):
        iy, ix = int(ny * (0.5 + 0.45 * np.sin(0.05 * i))), int(nx * (0.5 + 0.45 * np.cos(0.031 * i)))
        watch.when = {}
        began = time.perf_counter()
        model.move_to_node(iy, ix)
        while len(watch.when) < len(VIEWS):
            app.processEvents()
        spent["set"].append(1e3 * (max(watch.when.values()) - began))
        app.processEvents()
        spent["painted"].append(1e3 * (time.perf_counter() - began))
        until = began + 1 / RATE
        while time.perf_counter() < until:
            app.processEvents()
    rest(app, window)
    return spent


def basins(app: QApplication, window: Window) -> list[float]:
    """Milliseconds until the basins of a new point are drawn."""
    model = window.model
    assert model.plane is not None
    ny, nx = model.plane.shape
    spent = []
    for i in range(40):
        iy, ix = int(ny * (0.5 + 0.4 * np.sin(0.3 * i))), int(nx * (0.5 + 0.4 * np.cos(0.2 * i)))
        began = time.perf_counter()
        model.move_to_node(iy, ix)
        while not model.phase.up_to_date:
            app.processEvents()
        app.processEvents()
        spent.append(1e3 * (time.perf_counter() - began))
        rest(app, window)
    return spent


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


OPENING = """
import sys, time
from PySide6.QtWidgets import QApplication
from bifur.atlas import quarantine
from bifur_gui.window import Window
app = QApplication([])
window = Window()
window.show()
app.processEvents()
quarantine.is_known = lambda path: True  # written here
began = time.perf_counter()
window.model.open(sys.argv[1])
while window.plane._drawn is None:
    app.processEvents()
app.processEvents()
print(time.perf_counter() - began)
window.close()
"""


def opening(path: Path) -> float:
    """Seconds from the choice of a file to its first map, painted, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", OPENING, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    app = QApplication([])
    app.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "atlas.h5"
        large = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "large.h5"
        if len(sys.argv) < 2:
            build(path, 1024)
        if len(sys.argv) < 3:
            build(large, 2048, planes=2, more=', "max_learning_rate"')
        beside = float(np.median(plain(app)))
        window = make_window(path)
        window.show()
        apart = window.docks["spectrum"]  # beside the portrait, not behind it
        window.removeDockWidget(apart)
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, apart, Qt.Orientation.Vertical)
        apart.show()
        rest(app, window)
        print(f"{'1280 x 720, without a screen':<44}{'median ms':>10}{'95 % ms':>9}{'x one image':>13}")
        print(f"{'one plain image, painted':<44}{beside:>10.1f}{'':>9}{1.0:>13.1f}")
        rows = drag(app, window)
        rows["basins"] = basins(app, window)
        for what, spent in rows.items():
            middle, high = np.percentile(spent, [50, 95])
            print(f"{what:<44}{middle:>10.1f}{high:>9.1f}{middle / beside:>13.1f}")
        window.close()
        size = large.stat().st_size / 2**30
        took = sorted(opening(large) for _ in range(3))
        print(f"a file of {size:.2f} GiB: its first map after {took[0]:.2f} to {took[-1]:.2f} s")


if __name__ == "__main__":
    main()
