"""The legend of the portrait, and its content as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur_gui import style

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.views.base import Table
    from bifur_gui.views.phase import PhaseView

PRIME = "\N{PRIME}"


def legend_entries(model: Model, colours: tuple[str, str]) -> list[str]:
    """What lines and symbols are; `colours` are those of the nullclines."""
    t = style.theme()
    names = [style.html(model.system, model.system.states[i]) for i in model.section.axes]
    entries = []
    if len(names) == 1:
        entries.append(f"<b style='color:{t.blue}'>━</b>&nbsp;{names[0]}{PRIME}")
    else:
        entries += [
            f"<b style='color:{colour}'>━</b>&nbsp;{name}{PRIME}&nbsp;=&nbsp;0"
            for colour, name in zip(colours, names, strict=True)
        ]
    if model.system.dimension == 2 and "separatrices" in model.phase.shown:
        entries += [
            f"<b style='color:{t.ink}'>━</b>&nbsp;stable",
            f"<b style='color:{t.purple}'>━</b>&nbsp;unstable&nbsp;manifold",
        ]
    entries += ["●&nbsp;sink", "○&nbsp;source"] if len(names) == 1 else ["●&nbsp;sink", "◇&nbsp;saddle"]
    entries += ["○&nbsp;source"] if len(names) == 2 else []
    if model.section.needed:
        entries.append(f"<span style='color:{t.grey}'>○</span>&nbsp;off&nbsp;the&nbsp;section")
    return entries


def portrait_tables(view: PhaseView) -> dict[str, Table]:
    """Equilibria, nullclines, separatrices, basins and trajectories, in true values."""
    model, system = view.model, view.model.system
    axes = [system.states[i] for i in model.section.axes]
    marks = model.marks
    tables: dict[str, Table] = {
        "equilibria": {
            **{name: [float(m.state[i]) for m in marks] for i, name in enumerate(system.states)},
            "kind": [m.kind for m in marks],
        }
    }
    lines = {f"{name}-nullcline": line for name, line in zip(axes, view.nullclines, strict=False)}
    if len(axes) == 2:
        lines |= {"stable-manifolds": view.stable, "unstable-manifolds": view.unstable}
        tables |= {what: dict(zip(axes, line.getData(), strict=True)) for what, line in lines.items()
                   if line.xData is not None and len(line.xData)}  # fmt: skip
    else:
        tables["rate"] = {axes[0]: view.nullclines[0].xData, f"{axes[0]}_rate": view.nullclines[0].yData}
    for what, runs in (("trajectories", model.trajectories.runs), ("trajectories-back", model.trajectories.past)):
        if runs:
            tables[what] = {
                "run": np.repeat(np.arange(len(runs)), [len(run) for run in runs]),
                "t": np.concatenate([run.t for run in runs]),
                **{name: np.concatenate([run.state[:, i] for run in runs]) for i, name in enumerate(system.states)},
            }
    basins = model.phase.basins
    if basins is not None and view.picture.isVisible():
        mesh = np.meshgrid(basins.x, basins.y) if len(basins.axes) == 2 else [basins.x]
        tables["basins"] = {
            **{name: values.ravel() for name, values in zip(basins.axes, mesh, strict=True)},
            "label": basins.label.ravel(),
        }
    return tables
