"""Long jobs: forms that begin them, and how far they are. Nothing here opens a box that must be answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.views.base import View, quietly
from bifur_gui.views.job_forms import BuildForm, Form, RefineForm, ValidateForm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bifur_gui.jobs import Job
    from bifur_gui.model import Model

LISTEN = 200  # milliseconds between two looks at what the jobs told
MOST_TOLD = 8  # failures that are listed


class Card(QFrame):
    """One job: its title, how far it is, and what can be done with it."""

    def __init__(self, model: Model, job: Job) -> None:
        super().__init__()
        self.setObjectName("card")
        self.job, jobs = job, model.jobs
        self.title, self.words = QLabel(job.title), QLabel()
        for label in (self.title, self.words):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.show_it = self._button("Show it", "the atlas, also while it grows", partial(jobs.show, job))
        self.stop = self._button("Cancel", "what it has finished is kept", partial(jobs.cancel, job))
        self.again = self._button("Go on", "from where it was, failed tiles too", partial(jobs.again, job))
        self.forget = self._button("Forget", "take it off the list; its files stay", partial(jobs.forget, job))
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.show_it, self.stop, self.again, self.forget):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        for widget in (self.title, self.bar, self.words):
            column.addWidget(widget)
        column.addLayout(buttons)
        self.tell()

    def _button(self, words: str, tip: str, call: Any) -> QPushButton:
        button = QPushButton(words)
        button.setToolTip(tip)
        button.clicked.connect(quietly(call))
        return button

    def tell(self) -> None:
        """As the job is now."""
        job = self.job
        self.bar.setVisible(job.open)
        self.bar.setRange(
            0, 1000 if job.total or job.state != "running" else 0
        )  # it runs to and fro until work is known
        self.bar.setValue(round(1000 * job.share))
        failures = job.failures[-MOST_TOLD:]
        more = len(job.failures) - len(failures)
        lines = [job.words, *failures, *([f"and {more} more that failed"] if more else [])]
        self.words.setText("\n".join(lines))
        ended = not job.open
        self.show_it.setVisible(job.state != "waiting")
        self.stop.setVisible(job.open)
        self.stop.setText("End at once" if job.state == "stopping" else "Cancel")
        self.again.setVisible(ended and job.state != "done")
        self.forget.setVisible(ended)


class JobsView(View):
    """Forms at the left, jobs at the right."""

    name = "jobs"
    title = "the jobs"
    key = "8"
    hears = frozenset({"jobs", "parameters"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.cards: dict[int, Card] = {}
        self.build, self.refine, self.validate = BuildForm(model), RefineForm(model), ValidateForm(model)
        self.forms: tuple[Form, ...] = (self.build, self.refine, self.validate)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for form in self.forms:
            area = QScrollArea()
            area.setFrameShape(QFrame.Shape.NoFrame)
            area.setWidgetResizable(True)
            area.setWidget(form)
            self.tabs.addTab(area, form.title)
        self.list = QWidget()
        self.list.setObjectName("rows")
        self.column = QVBoxLayout(self.list)
        self.column.setContentsMargins(6, 6, 6, 6)
        self.column.setSpacing(6)
        self.none = QLabel("No jobs yet. Each runs in a process of its own; the window goes on.")
        self.none.setWordWrap(True)
        self.column.addWidget(self.none)
        self.column.addStretch(1)
        self.area = QScrollArea()
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(self.list)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(self.tabs)
        split.addWidget(self.area)
        split.setSizes([420, 235])
        self.body.addWidget(split, 1)
        # heard while the view is hidden too, and before there is a plane
        self._listen = QTimer(self)
        self._listen.setInterval(LISTEN)
        self._listen.timeout.connect(model.jobs.poll)
        model.subscribe(self._heed, model.jobs)
        self.restyle()

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.setStyleSheet(
            f"QScrollArea, QWidget#rows, QWidget#form {{ background: {t.ground}; }}"
            f"QLineEdit {{ background: {t.ground}; border: 1px solid {t.edge}; border-radius: 3px; padding: 2px 4px; }}"
            f"QFrame#card {{ background: {t.panel}; border: 1px solid {t.edge}; border-radius: 4px; }}"
            f"QProgressBar {{ background: {t.edge}; border: none; border-radius: 4px; }}"
            f"QProgressBar::chunk {{ background: {t.blue}; border-radius: 4px; }}"
        )

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        return (
            Act(
                "jobs.build",
                "Build an atlas, as in the form",
                partial(self.begin, self.build),
                "Compute",
                "Ctrl+Shift+B",
            ),
            Act(
                "jobs.refine", "Refine what is seen of the plane", partial(self.begin, self.refine), "Compute", "Ctrl+R"
            ),
            Act("jobs.validate", "Train networks on the plane", partial(self.begin, self.validate), "Compute"),
            Act("jobs.resume", "Go on with the build that is shown", self._go_on, "Compute"),
            Act("jobs.show", "Show the atlas of the newest job", self._show, "Compute"),
            Act("jobs.cancel", "Cancel the job that runs", self._cancel, "Compute"),
        )

    # ---- what is shown ----------------------------------------------------------------------

    def _heed(self, event: str) -> None:
        """Listen to jobs as long as some run; list them though no plane is shown."""
        if event != "jobs":
            return
        running = bool(self.model.jobs.running())
        if running != self._listen.isActive():
            self._listen.start() if running else self._listen.stop()
        if self.model.plane is None and self.isVisible():
            self._list()

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event == "jobs":
            self._list()
            return
        for form in self.forms:
            form.fill(event)
        self._list()

    def showEvent(self, event: Any) -> None:
        """The forms can be filled in before there is a plane."""
        super().showEvent(event)
        if self.model.plane is None:
            self.build.fill("all")
            self._list()

    def _list(self) -> None:
        """The newest job first."""
        entries = self.model.jobs.entries
        there = {id(job): job for job in entries}
        for key in [key for key in self.cards if key not in there]:
            card = self.cards.pop(key)
            self.column.removeWidget(card)
            card.deleteLater()
        for key, job in there.items():
            if key not in self.cards:
                self.cards[key] = Card(self.model, job)
                self.column.insertWidget(0, self.cards[key])
            else:
                self.cards[key].tell()
        self.none.setVisible(not self.cards)
        running = sum(job.state in ("running", "stopping") for job in entries)
        waiting = sum(job.state == "waiting" for job in entries)
        words = [f"{running} running" if running else "", f"{waiting} waiting" if waiting else ""]
        self.heading.setText(", ".join(filter(None, words)))
        self.heading.setVisible(bool(running or waiting))

    # ---- acts -------------------------------------------------------------------------------

    def begin(self, form: Form) -> None:
        """Begin what a form says, which may not have been seen yet."""
        self.catch_up()
        form.begin()

    def _go_on(self) -> None:
        try:
            self.model.jobs.go_on()
        except ValueError as error:
            self.model.say(str(error))

    def _show(self) -> None:
        entries = self.model.jobs.entries
        if entries:
            self.model.jobs.show(entries[-1])
        else:
            self.model.say("there is no job yet")

    def _cancel(self) -> None:
        running = self.model.jobs.running()
        if running:
            self.model.jobs.cancel(running[0])
        else:
            self.model.say("no job runs")

    # ---- sessions ---------------------------------------------------------------------------

    def kept(self) -> dict[str, Any]:
        """What is in the forms, and builds that can go on."""
        return {
            "forms": {form.title: form.kept() for form in self.forms},
            "builds": self.model.jobs.unfinished(),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take back what `kept` gave."""
        forms = kept.get("forms")
        for form in self.forms:
            if isinstance(forms, dict) and isinstance(forms.get(form.title), dict):
                form.restore(forms[form.title])
        if isinstance(kept.get("builds"), list):
            self.model.jobs.remember(kept["builds"])
