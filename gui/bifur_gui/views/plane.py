"""The plane as a map: regions or values in colour, the curves over it, the cross, the training runs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QToolButton

from bifur_gui.acts import Act
from bifur_gui.views.map_view import MapView
from bifur_gui.views.overlay import Overlay
from bifur_gui.views.training import TrainingDots

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.picks import Pick
    from bifur_gui.picture import Picture


class PlaneView(MapView):
    """A map of the plane with the cross; the left button moves it."""

    name = "plane"
    title = "the plane"
    key = "1"
    hears = frozenset({"map", "tiles", "cross", "validation", "parameters", "live_plane", "run"})

    beside = Signal()  # the user wants a second plane, or none

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.planes.activated.connect(lambda i: self.model.choose_plane(self.planes.itemData(i)))
        self.maps.activated.connect(lambda i: self.model.set_map(self.maps.itemData(i)))
        self.training = QCheckBox("training runs")
        self.training.setChecked(True)
        self.training.setVisible(False)
        self.training.toggled.connect(lambda on: self._show_training())
        self.second = QToolButton()
        self.second.setText("◫")
        self.second.setToolTip("a second plane beside this one (Shift+B)")
        self.second.setAccessibleName("second plane")
        self.second.clicked.connect(lambda: self.beside.emit())
        self.bar.addWidget(self.planes, 2)
        self.bar.addWidget(self.maps, 4)
        self.bar.addWidget(self.training)
        self.bar.addStretch(1)
        self.bar.addWidget(self.second)
        self.dots = TrainingDots()
        self.dots.setZValue(20)
        self.dots.picked.connect(self._pick_cell)
        self.plot.addItem(self.dots, ignoreBounds=True)
        self.heading.setContentsMargins(12, 0, 8, 0)
        self.body.insertWidget(1, self.heading)
        self.show_title(False)
        self.overlay = Overlay(self)
        self.restyle()

    def show_title(self, on: bool) -> None:
        """Name the plane over its picture, where there are two of them."""
        self.heading.setVisible(on)

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event in ("plane", "all", "tiles", "map", "live_plane"):
            self.draw_picture()
            if self.picture is not None:
                self.heading.setText(f"<b>{escape(self.picture.title)}</b>")
        if event in ("plane", "all", "validation"):
            self._show_training()
        if event == "run":
            self.dots.show_cell()
        if event in ("plane", "all", "cross"):
            self.draw_cross()
        if event in ("cross", "parameters"):
            self.write_badge()
        if event == "plane":
            self.reset()

    @property
    def picture(self) -> Picture | None:
        """The map of the model."""
        return self.model.picture

    @property
    def cross(self) -> tuple[float, float] | None:
        """That of the model."""
        return self.model.cross if self.model.plane is not None else None

    def plane_names(self) -> tuple[str, ...]:
        """Those of the atlas."""
        return tuple(self.model.atlas.planes) if self.model.atlas is not None else ()

    def badge_words(self) -> str:
        """For which values the map holds, where these are not the atlas's."""
        return self.model.live_plane.words

    def more_legend(self) -> tuple[str, ...]:
        """The training runs."""
        return tuple(self.dots.legend) if self.dots.isVisible() else ()

    def _show_training(self) -> None:
        run = self.model.trained.summary
        self.training.setVisible(run is not None)
        shown = run is not None and self.training.isChecked()
        self.dots.setVisible(shown)
        if run is not None and shown:
            self.dots.show_run(self.model.trained, *self.axes)
        self.write_legend()

    # ---- what the user does -----------------------------------------------------------------

    def go_to(self, x: float, y: float) -> None:
        """Move the cross to the nearest node."""
        self.model.move_to(x, y)

    def go_to_pick(self, pick: Pick) -> None:
        """Move the cross exactly there, off the nodes, and select the equilibrium."""
        self.model.set_parameters(pick.parameters)
        self.model.select(pick.state)

    def more_words(self, place: Any) -> str:
        """The training runs under the pointer."""
        return self.dots.words_near(place, self.box) if self.dots.isVisible() else ""

    def acts(self) -> tuple[Act, ...]:
        """The names of the regions, the maps in turn, and the way back to the atlas."""
        return (
            Act("plane.names", "Names of the regions on the map", lambda: self.show_names(not self.names_shown),
                "Plane", "N", lambda: self.names_shown),
            Act("plane.map-next", "Next map", lambda: self._turn(1), "Plane", "M"),
            Act("plane.map-before", "Map before", lambda: self._turn(-1), "Plane", "Shift+M"),
        )  # fmt: skip

    def _turn(self, by: int) -> None:
        model = self.model
        if not model.choices:
            model.say("There is no plane yet, of which a map could be shown.")
            return
        model.set_map(model.choices[(model.choices.index(model.choice) + by) % len(model.choices)])

    def _pick_cell(self, cell: int) -> None:
        """The runs of a trained cell, and the cross there."""
        self.model.trained.select(cell)
        self.model.trained.go_there()

    def seen_window(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The part of the plane that is seen: low and high of x and of y."""
        x, y = (
            (axis.true(low), axis.true(high)) for axis, (low, high) in zip(self.axes, self.box.viewRange(), strict=True)
        )
        return x, y

    def kept(self) -> dict[str, Any]:
        """Whether names and training runs are shown."""
        return {"names": self.names_shown, "training": self.training.isChecked()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """The same."""
        if isinstance(names := kept.get("names"), bool):
            self.show_names(names)
        if isinstance(training := kept.get("training"), bool):
            self.training.setChecked(training)
