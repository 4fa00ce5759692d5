"""The figure of the two claims, from a small atlas of the packaged spec."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import bifur
from bifur.plotting import plot_atlas, plot_claims

CLAIMS = Path(bifur.__file__).parent / "data" / "claims.toml"


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    text = CLAIMS.read_text().replace("points = 129", "points = 9").replace("points = 251", "points = 51")
    with bifur.build_atlas(text, tmp_path_factory.mktemp("claims") / "claims.h5") as atlas:
        yield atlas


def texts(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_it_says_what_the_talk_claims(atlas, tmp_path):
    figure = plot_claims(atlas)
    figure.savefig(tmp_path / "claims.png")
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == [
        "SimSiam", "PhiNet", "SimSiam: negative starts alone", "PhiNet: negative starts alone",
    ]  # fmt: skip
    assert "up to ρ = 0.167" in texts(panels[0])  # 1/(4 · 1.5)
    assert "up to ρ = 0.256" in texts(panels[1])  # ρ₊ at σ² = 0.5
    assert "every negative start" in texts(panels[2])
    assert "27 %" in texts(panels[3])
    for ax in panels:
        assert ax.get_yscale() == "log"
    assert len(panels[1].lines) == len(panels[3].lines) == 3  # two folds of PhiNet, and that of SimSiam


def test_the_numbers_behind_it(atlas):
    """SimSiam saves no negative start; PhiNet saves some in the weak portrait alone, and survives farther up."""
    assert (atlas["simsiam-negative"].map("basin_share") == 0).all()
    saved = atlas["phinet-negative"].map("basin_share")
    weak = atlas["phinet"].map("n_stable") == 3
    assert (saved[weak] > 0.01).all()
    assert (saved[~weak] < 1e-7).all()
    both = 2 * atlas["phinet"].map("basin_share") - saved
    positive = bifur.basin_share("phinet", {"p_h": {"uniform": (0, 2)}}, sigma2=0.5, rho=1e-3)
    plane = atlas["phinet"]
    iy, ix = int(np.abs(np.log(plane.y / 1e-3)).argmin()), int(np.abs(plane.x - 0.5).argmin())
    assert both[iy, ix] == pytest.approx(positive.value, abs=1e-6)
    alive = {name: atlas[name].map("basin_share") > 1e-7 for name in ("simsiam", "phinet")}
    assert (alive["phinet"] >= alive["simsiam"]).all()
    assert (alive["phinet"] > alive["simsiam"]).any()


def test_shares_can_be_drawn_like_every_map(atlas, tmp_path):
    figure = plot_atlas(atlas, "phinet", map="basin_share")
    figure.savefig(tmp_path / "share.png")
    assert "share of starts that escape collapse" in [ax.get_ylabel() for ax in figure.axes]
    assert mpl.rcParams["font.size"] == mpl.rcParamsDefault["font.size"]


def test_another_atlas_is_refused(tmp_path):
    text = CLAIMS.read_text().replace('name = "simsiam"', 'name = "other"')
    text = text.replace("points = 129", "points = 2").replace("points = 251", "points = 2")
    with (
        bifur.build_atlas(text, tmp_path / "other.h5") as atlas,
        pytest.raises(ValueError, match=r"no plane 'simsiam'.*build it from `claims`"),
    ):
        plot_claims(atlas)
