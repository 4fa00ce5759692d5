"""The line of the plane through the cross, along which the diagram runs: from the atlas, and traced. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import bifur

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Column
    from bifur.continuation.results import Diagram
    from bifur_gui.columns import Strip
    from bifur_gui.model import Model

KEPT_DIAGRAMS = 64
NORM = "norm"


class Slice:
    """The diagram along one free parameter at the present values of all others.

    `axis` is 0 where it runs along x, 1 along y; `ordinate` the state on the vertical axis, or the number of states for
    their Euclidean norm. `column` holds the equilibria of the atlas on the line, where they are in memory, `traced` the
    diagram of `bifur.trace`, as soon as it is there. Publishes `axis`, `ordinate`, `column`, `diagram`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.axis, self.ordinate = 1, 0
        self.column: Column | None = None
        self.traced: Diagram | None = None
        self._kept: dict[tuple[Any, ...], Diagram] = {}

    # ---- what is drawn ------------------------------------------------------------------

    @property
    def free(self) -> str:
        """The parameter along the line."""
        assert self._model.plane is not None
        return self._model.plane.free[self.axis]

    @property
    def other(self) -> str:
        """The free parameter that the line holds fixed."""
        assert self._model.plane is not None
        return self._model.plane.free[1 - self.axis]

    @property
    def scale(self) -> str:
        """`log` or `linear`, as in the plane."""
        assert self._model.plane is not None
        return self._model.plane.scales[self.axis]

    @property
    def nodes(self) -> NDArray[np.float64]:
        """The values of the atlas along the line."""
        assert self._model.plane is not None
        return self._model.plane.x if self.axis == 0 else self._model.plane.y

    @property
    def ordinates(self) -> tuple[str, ...]:
        """What may stand on the vertical axis: the states, and their norm where there are several."""
        states = tuple(self._model.system.states)
        return (*states, NORM) if len(states) > 1 else states

    def height(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """The ordinate of states (..., n)."""
        if self.ordinate < self._model.system.dimension:
            return state[..., self.ordinate]
        height: NDArray[np.float64] = np.linalg.norm(state, axis=-1)
        return height

    # ---- what the user chooses ------------------------------------------------------------

    def set_axis(self, axis: int) -> None:
        """Run along x (0) or y (1)."""
        if self._model.plane is None or axis not in (0, 1) or axis == self.axis:
            return
        self.axis = axis
        self.look()
        self._model.publish("axis")

    def turn(self) -> None:
        """Run along the other parameter."""
        self.set_axis(1 - self.axis)

    def set_ordinate(self, index: int) -> None:
        """The state, or the norm, on the vertical axis."""
        if self._model.plane is None or not 0 <= index < len(self.ordinates):
            return
        self.ordinate = index
        self._model.publish("ordinate")

    # ---- following the cross --------------------------------------------------------------

    def enter(self, same_system: bool) -> None:
        """Another plane: nothing that was traced holds."""
        self._kept = {}
        if not same_system:
            self.ordinate = 0

    def look(self) -> None:
        """The line through the cross, as far as it is in memory; the rest is asked for."""
        model = self._model
        self.traced = self._kept.get(self._key())
        self.column = None
        if not model.live:
            self._look_up()
        if self.traced is None:
            self.trace()

    def _look_up(self) -> None:
        """The line in the atlas, of which a strip may have to be read."""
        model, (iy, ix) = self._model, self._model.node
        columns = model.columns
        assert columns is not None
        self.column = columns.column(ix) if self.axis == 1 else columns.row(iy)
        if self.column is None and self.axis == 1:

            def done(loaded: Strip) -> None:
                self.take(loaded)
                if self.column is None and not model.live:  # the cross went on while this was read
                    self._look_up()

            model.ask("column", lambda: columns.load(columns.strip(ix)), done, "reading the atlas", reads=True)

    def take(self, loaded: Strip) -> None:
        """Keep a strip of the atlas; it may hold the line that is missing."""
        model = self._model
        assert model.columns is not None
        model.columns.keep(loaded)
        if self.column is None and not model.live:
            iy, ix = model.node
            self.column = model.columns.column(ix) if self.axis == 1 else model.columns.row(iy)
            if self.column is not None:
                model.publish("column")

    def _key(self) -> tuple[Any, ...]:
        return self.axis, tuple(sorted((k, v) for k, v in self._model.point.items() if k != self.free))

    def trace(self) -> None:
        """Trace the diagram beside the window."""
        model, key, free, scale = self._model, self._key(), self.free, self.scale
        system, span = model.system, (float(self.nodes[0]), float(self.nodes[-1]))
        others = {name: value for name, value in model.point.items() if name != free}

        def job() -> Diagram:
            settings = bifur.Settings(scale=scale)  # type: ignore[arg-type]
            return bifur.trace(system, others, free=free, span=span, settings=settings)

        def done(diagram: Diagram) -> None:
            while len(self._kept) >= KEPT_DIAGRAMS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = diagram
            if key == self._key():
                self.traced = diagram
                model.publish("diagram")

        model.ask("diagram", job, done, "the diagram")
