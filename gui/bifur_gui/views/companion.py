"""The second plane beside the first, with cross and zoom linked where the free parameters are the same."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QSizePolicy, QToolButton

from bifur_gui.acts import Act
from bifur_gui.views.map_view import MapView

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.picks import Pick
    from bifur_gui.picture import Picture
    from bifur_gui.views.plane import PlaneView


class CompanionView(MapView):
    """A plane of the same atlas or of another file."""

    name = "companion"
    title = "the second plane"
    key = "Shift+B"
    hears = frozenset({"companion", "cross", "tiles"})

    closed = Signal()

    def __init__(self, model: Model, first: PlaneView) -> None:
        super().__init__(model)
        self._first = first
        self._following = False
        self.planes.activated.connect(lambda i: model.companion.choose_plane(self.planes.itemData(i)))
        self.maps.activated.connect(lambda i: model.companion.set_map(self.maps.itemData(i)))
        self.file, self.shut = QToolButton(), QToolButton()
        for button, sign, words in ((self.file, "…", "a plane of another file"), (self.shut, "✕", "close this plane")):
            button.setText(sign)
            button.setToolTip(words)
            button.setAccessibleName(words)
        self.file.clicked.connect(self.ask_for_file)
        self.shut.clicked.connect(lambda: self.closed.emit())
        self.bar.addWidget(self.planes, 2)
        self.bar.addWidget(self.maps, 4)
        self.bar.addStretch(1)
        self.bar.addWidget(self.file)
        self.bar.addWidget(self.shut)
        self.body.insertWidget(1, self.heading)
        self.heading.setContentsMargins(12, 0, 8, 0)
        self.heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumSize(280, 260)
        self.zoomed.connect(lambda: self._follow(self, first))
        first.zoomed.connect(lambda: self._follow(first, self))
        self.restyle()

    def showEvent(self, event: Any) -> None:
        """Whoever shows it wants a plane in it."""
        if not self.model.companion.is_open:
            self.model.companion.open()
        super().showEvent(event)

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if self.picture is None:
            self.heading.setText("reading")
            return
        if event != "cross":
            before = self._drawn
            self.draw_picture()
            if before is None or before.window != self.picture.window or event == "plane":
                self._show_whole()
        self.draw_cross()
        self._write_heading()

    def _write_heading(self) -> None:
        picture, node = self.picture, self.model.companion.node
        assert picture is not None
        path = self.model.companion.path
        words = f"<b>{escape(picture.title)}</b>" + (f", {escape(path.name)}" if path is not None else "")
        if node is not None:
            words += f"; at the cross: {escape(picture.region_words(*node))}"
        elif self.model.companion.linked:
            words += "; the cross is beside it"
        else:
            words += "; other parameters: no cross"
        self.heading.setText(words)
        self.heading.setToolTip(words)

    @property
    def picture(self) -> Picture | None:
        """That of the model's second plane."""
        return self.model.companion.picture

    @property
    def cross(self) -> tuple[float, float] | None:
        """The same, where it has the same parameters."""
        return self.model.cross if self.model.companion.linked else None

    def plane_names(self) -> tuple[str, ...]:
        """Those of its file."""
        return self.model.companion.planes

    def reset(self) -> None:
        """The whole plane; where zooms are shared, the whole first one."""
        if self.isVisible() and self.model.companion.zoom_linked:
            self._first.reset()
        self._show_whole()

    def _show_whole(self) -> None:
        """The whole plane, or what the first one shows."""
        if self.model.companion.zoom_linked:
            self.box.setLimits(maxXRange=None, maxYRange=None)  # those of the first plane are enough
            self._follow(self._first, self)
        else:
            super().reset()

    def _follow(self, leader: MapView, other: MapView) -> None:
        """The other plane shows what this one does."""
        if self._following or not self.isVisible() or not self.model.companion.zoom_linked:
            return
        self._following = True
        try:
            x, y = leader.box.viewRange()
            other.box.setRange(xRange=x, yRange=y, padding=0)
        finally:
            self._following = False

    # ---- what the user does -----------------------------------------------------------------

    def go_to(self, x: float, y: float) -> None:
        """Move the cross, where it is shared."""
        if self.model.companion.linked:
            self.model.move_to(x, y)
        else:
            self.model.say("The second plane has other free parameters, so the cross stays in the first.")

    def go_to_pick(self, pick: Pick) -> None:
        """Move the cross to the free parameters of a point of a curve, exactly."""
        plane = self.model.plane
        if plane is None or not self.model.companion.linked:
            self.go_to(0.0, 0.0)
            return
        self.model.set_parameters({name: pick.parameters[name] for name in plane.free})

    def acts(self) -> tuple[Act, ...]:
        """Another file; showing and hiding is an act of the window."""
        return (Act("companion.open", "Open a second plane from a file…", self.ask_for_file, "Plane", "Ctrl+K"),)

    def ask_for_file(self) -> None:
        """Choose the file of the second plane."""
        atlas = self.model.atlas
        folder = str(atlas.path.parent) if atlas is not None else str(Path.cwd())
        self.dialog = QFileDialog(self, "Open a second plane", folder, "Atlas (*.h5);;All files (*)")
        self.dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        self.dialog.fileSelected.connect(self.open_file)
        self.dialog.open()

    def open_file(self, name: str) -> None:
        """Show a plane of this file."""
        self.model.companion.open(name)
        self.show()

    def kept(self) -> dict[str, Any]:
        """File, plane, map, and whether names are shown."""
        picture = self.picture
        if picture is None:
            return {"names": self.names_shown}
        path, choice = self.model.companion.path, picture.choice
        return {
            "names": self.names_shown,
            "file": None if path is None else str(path),
            "plane": picture.name,
            "map": [choice.name, choice.component],
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Open the same again; what is not there any more is told in the notice."""
        if isinstance(names := kept.get("names"), bool):
            self.show_names(names)
        plane, file, chosen = kept.get("plane"), kept.get("file"), kept.get("map")
        if not isinstance(plane, str):
            return
        choice = None
        if isinstance(chosen, list) and len(chosen) == 2:
            choice = next((one for one in self.model.choices if [one.name, one.component] == chosen), None)
        path = file if isinstance(file, str) else None
        present = self.model.atlas
        if path is not None or (present is not None and plane in present.planes):
            self.model.companion.open(path, plane, choice)
