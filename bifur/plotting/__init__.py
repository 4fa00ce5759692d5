"""Figures of every result, with matplotlib; nothing here touches pyplot or its state."""

from bifur.plotting.basins import plot_basins
from bifur.plotting.claims import plot_claims
from bifur.plotting.curve import plot_curve
from bifur.plotting.descent import plot_critical_curve, plot_descent, plot_orbit_diagram
from bifur.plotting.diagram import plot_diagram
from bifur.plotting.drift import plot_ramp
from bifur.plotting.escape import plot_escape
from bifur.plotting.findings import plot_findings
from bifur.plotting.plane import plot_atlas, plot_plane
from bifur.plotting.portrait import plot_portrait
from bifur.plotting.report import write_report
from bifur.plotting.validation import plot_agreement, plot_errors, plot_validation
from bifur.plotting.weight_decay import plot_weight_decay

__all__ = [
    "plot_agreement",
    "plot_atlas",
    "plot_basins",
    "plot_claims",
    "plot_critical_curve",
    "plot_curve",
    "plot_descent",
    "plot_diagram",
    "plot_errors",
    "plot_escape",
    "plot_findings",
    "plot_orbit_diagram",
    "plot_plane",
    "plot_portrait",
    "plot_ramp",
    "plot_validation",
    "plot_weight_decay",
    "write_report",
]
