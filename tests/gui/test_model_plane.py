"""What the plane shows, without a window: colours, picks on curves, names of regions, live and second planes."""

from __future__ import annotations

import itertools
import shutil

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas import quarantine
from bifur.atlas.plane import Region
from bifur_gui.cells import Cells
from bifur_gui.maps import MapChoice, values_of
from bifur_gui.model import Model
from bifur_gui.picks import Picks
from bifur_gui.region_names import GRAIN, MARGIN, Name, Sight, place_names
from bifur_gui.shades import FIRST, MISSING, NOTHING, shades_of, signatures_of

COSINE = """
format = 1
title = "cosine"
[[plane]]
name = "cosine"
system = "cosine"
x = {parameter = "sigma2", span = [0, 2], points = 12}
y = {parameter = "rho", span = [1e-3, 1], points = 10, scale = "log"}
fixed = {p6 = %s}
"""


@pytest.fixture(scope="module")
def cosine_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "cosine.h5"
    bifur.build_atlas(COSINE % 1, path).close()
    return path


@pytest.fixture
def open_model(request):
    made = []

    def opened(path):
        model = Model()
        assert model.open(path), model.notice
        made.append(model)
        return model

    yield opened
    for model in made:
        model.close()


def choice_of(model, name):
    return next(choice for choice in model.choices if choice.name == name)


# ---- colours ------------------------------------------------------------------------------


def test_values_are_told_apart_as_finely_as_colours_allow():
    rng = np.random.default_rng(0)
    choice, there = MapChoice("relaxation_rate", "rate"), np.zeros((40, 50), bool)
    for values, log in ((rng.uniform(-3, 9, (40, 50)), False), (10 ** rng.uniform(-6, 3, (40, 50)), True)):
        shades = shades_of(choice, values, there)
        assert shades.log == log
        drawn = np.log10(values) if log else values
        step = (shades.high - shades.low) / (256 - FIRST)
        middle = shades.low + (shades.index.astype(float) - FIRST + 0.5) * step
        assert np.abs(middle - drawn).max() <= 0.511 * step  # the top of the scale belongs to the last colour
        assert {shades.index.min(), shades.index.max()} == {FIRST, 255}
        assert not shades.missing
        assert not shades.nothing


def test_what_is_missing_and_what_is_not_there_have_places_of_their_own():
    values = np.array([[1.0, np.nan], [2.0, np.inf]])
    missing = np.array([[False, False], [True, False]])
    shades = shades_of(MapChoice("relaxation_rate", "rate"), values, missing)
    assert shades.index.tolist() == [[FIRST, NOTHING], [MISSING, NOTHING]]
    assert shades.missing
    assert shades.nothing
    for empty in (np.full((2, 2), np.nan), np.full((2, 2), 7.0)):
        shades_of(MapChoice("relaxation_rate", "rate"), empty, missing)  # nothing to scale by, or one value alone


def test_regions_of_one_kind_have_one_colour():
    regions = tuple(Region(str(i), signature, 1) for i, signature in enumerate(("0 1 1", "0", "0 1 1", "0 0 1")))
    signatures = signatures_of(regions)
    assert signatures == ("0", "0 0 1", "0 1 1")
    assert signatures_of(regions, ("0 0 1", "5")) == ("0 0 1", "5", "0", "0 1 1")  # known ones keep their places
    region = np.array([[0, 1, 2], [3, -1, 1]], np.int16)
    shades = shades_of(MapChoice("region", "regions", flat=True), region, region < -1, regions, signatures)
    assert (shades.index - FIRST)[[0, 0, 0, 1], [0, 1, 2, 0]].tolist() == [2, 0, 2, 1]
    assert shades.index[1, 1] == NOTHING


def test_more_codes_than_colours_do_no_harm():
    values = np.arange(1000, dtype=np.int16).reshape(20, 50)
    shades = shades_of(MapChoice("n_equilibria", "n", flat=True), values, values < 0)
    assert shades.index.min() >= FIRST
    assert len(shades.codes) == 1000


def test_maps_over_equilibria_become_one_number(open_model, atlas_path):
    model = open_model(atlas_path)
    plane = model.plane
    for name in ("residual", "radius", "oscillatory"):
        values = values_of(plane, choice_of(model, name))
        stored = plane.map(name)
        for iy, ix in itertools.product(range(0, 32, 5), range(0, 24, 5)):
            equilibria = plane.at(sigma2=plane.x[ix], rho=plane.y[iy]).equilibria
            if name == "oscillatory":  # counted anew from the eigenvalues
                lead = [max(e.eigenvalues, key=lambda v: v.real) for e in equilibria]
                assert values[iy, ix] == sum(abs(value.imag) > 0 for value in lead)
            else:
                assert values[iy, ix] == max(stored[iy, ix, k] for k in range(len(equilibria)))


# ---- a picture ----------------------------------------------------------------------------


def test_a_place_lies_in_the_cell_of_the_nearest_node(open_model, atlas_path):
    model = open_model(atlas_path)
    picture, plane = model.picture, model.plane
    rng = np.random.default_rng(1)
    for x, y in zip(rng.uniform(0, 2, 200), 10 ** rng.uniform(-5, 0, 200), strict=True):
        assert picture.node_at(x, y) == plane.nearest(x, y)
    assert picture.node_at(-0.1, 0.1) is None
    assert picture.node_at(0.5, -1.0) is None
    assert picture.node_at(float("nan"), 0.1) is None


def test_a_map_that_cannot_be_read_leaves_the_present_one(open_model, atlas_path, monkeypatch):
    model, heard = open_model(atlas_path), []
    model.subscribe(heard.append)

    def broken(plane, choice):
        raise OSError("the disk is gone")

    monkeypatch.setattr("bifur_gui.picture.values_of", broken)
    before = model.choice, model.picture
    model.set_map(choice_of(model, "relaxation_rate"))
    assert (model.choice, model.picture) == before
    assert "the disk is gone" in model.notice
    assert heard.count("map") == 1  # so that the list of maps shows the present one again


# ---- curves under the pointer ---------------------------------------------------------------


def test_the_point_of_a_curve_is_exact(open_model, atlas_path):
    model = open_model(atlas_path)
    picture = model.picture
    picks, pixel = Picks(picture), (2.0 / 400, 5.0 / 400)
    curve = picture.curves[0]
    rng = np.random.default_rng(2)
    for k in rng.integers(0, len(curve), 30).tolist():
        x, y = (float(v) for v in picture.drawn(*curve.parameters[k]))
        pick = picks.at(x + 2 * pixel[0], y - 2 * pixel[1], pixel)
        assert pick is not None
        state, point = pick.state, pick.parameters
        size = np.abs(picture.system.jacobian(state, point)).max()
        assert np.abs(picture.system.field(tuple(state), point)).max() < 1e-12
        assert abs(np.linalg.det(picture.system.jacobian(state, point))) < 1e-10 * max(size, 1.0) ** 2
        gap = np.hypot((pick.place[0] - x) / pixel[0], (pick.place[1] - y) / pixel[1])
        steps = np.diff(np.stack(picture.drawn(*curve.parameters.T), axis=1), axis=0) / np.array(pixel)
        assert gap <= 7 + np.linalg.norm(steps, axis=1).max()
        assert pick.words(picture.system, picture.free).startswith("fold (LP) at σ² = ")
    x, y = (float(v) for v in picture.drawn(*curve.parameters[0]))
    assert picks.at(x, y + 20 * pixel[1], pixel) is None or len(picture.curves) > 1


def test_curves_are_found_as_by_trying_every_segment(open_model, atlas_path):
    model = open_model(atlas_path)
    picks, pixel = Picks(model.picture), np.array([2.0 / 300, 5.0 / 500])
    (left, right), (low, high) = model.picture.window
    rng = np.random.default_rng(3)
    hits = 0
    for x, y in zip(rng.uniform(left, right, 300), rng.uniform(low, high, 300), strict=True):
        least = np.inf
        for line in picks.lines:
            spot = (line - [x, y]) / pixel
            for a, b in itertools.pairwise(spot):
                t = np.linspace(0, 1, 200)[:, None]
                if min(np.linalg.norm(a), np.linalg.norm(b)) < 40:
                    least = min(least, np.linalg.norm(a + t * (b - a), axis=1).min())
        found = picks.at(x, y, tuple(pixel))
        hits += found is not None
        if abs(least - 7) > 0.1:
            assert (found is not None) == (least < 7)
    assert hits > 3


# ---- names --------------------------------------------------------------------------------


def test_names_lie_deep_inside_their_regions():
    """Two discs and what is round them: the middle of a disc is its pole; a box is all inside."""
    y, x = np.mgrid[0:200, 0:200] + 0.5
    region = np.zeros((200, 200), np.int16)
    region[np.hypot(x - 50, y - 60) < 40] = 1
    region[np.hypot(x - 150, y - 150) < 4] = 2  # too small for its name
    names = {i: (Name(f"r{i}", 60, 16),) for i in range(3)}
    edges = (0.0, 200.0), (0.0, 200.0)
    placed = {p.text: p for p in place_names(region, edges, names, (), Sight(edges, (400.0, 400.0)))}
    assert set(placed) == {"r0", "r1"}
    assert np.hypot(placed["r1"].x - 50, placed["r1"].y - 60) < 2 * GRAIN
    for text, value in (("r0", 0), ("r1", 1)):
        p = placed[text]
        box = region[int(p.y - 4) : int(p.y + 4) + 1, int(p.x - 15) : int(p.x + 15) + 1]
        assert (box == value).all()


def test_names_keep_off_curves_edges_and_what_is_taken():
    region = np.zeros((50, 50), np.int16)
    edges, pixels = ((0.0, 1.0), (0.0, 1.0)), (300.0, 300.0)
    line = np.stack([np.linspace(0, 1, 40), np.full(40, 0.5)], axis=1)
    name = Name("a region", 100, 20)
    (place,) = place_names(region, edges, {0: (name,)}, (line,), Sight(edges, pixels, ((0.0, 160.0, 300.0, 300.0),)))
    assert 10 + MARGIN - GRAIN <= 300 * place.y <= 150 - 10 - MARGIN + GRAIN
    assert 50 <= 300 * place.x <= 250
    # zoomed in on the upper half, the name moves there; with the whole of it taken there is none
    upper = (0.0, 1.0), (0.6, 1.0)
    (place,) = place_names(region, edges, {0: (name,)}, (line,), Sight(upper, pixels))
    assert place.y > 0.6
    assert place_names(region, edges, {0: (name,)}, (line,), Sight(upper, pixels, ((0.0, 0.0, 300.0, 300.0),))) == ()


def test_a_narrow_region_is_named_on_two_lines():
    region = np.zeros((60, 60), np.int16)
    edges, pixels = ((0.0, 1.0), (0.0, 1.0)), (90.0, 300.0)
    ways = Name("2 sinks, 1 saddle", 110, 16), Name("2 sinks,\n1 saddle", 60, 30)
    (place,) = place_names(region, edges, {0: ways}, (), Sight(edges, pixels))
    assert place.text == "2 sinks,\n1 saddle"


@pytest.mark.parametrize("pixels", [(37.0, 61.0), (400.0, 300.0), (9.3, 8.2)])
def test_hatched_pixels_are_those_of_brute_force(pixels):
    rng = np.random.default_rng(4)
    marked = rng.random((13, 17)) < 0.1
    x, y = rng.uniform(-3, pixels[0] + 3, 60), rng.uniform(-3, pixels[1] + 3, 50)
    found = Cells(marked).under(x, y, pixels, 8.0)
    want = np.zeros((50, 60), bool)
    for iy, ix in np.argwhere(marked):
        spans = []
        for k, count, size in ((ix, 17, pixels[0]), (iy, 13, pixels[1])):
            cell = size / count
            grown = max(0.0, 8.0 - cell) / 2
            low, high = k * cell - grown, (k + 1) * cell + grown
            if grown and low < 0:  # pushed inwards
                low, high = 0.0, 8.0
            if grown and high > size:
                low, high = size - 8.0, size
            spans.append((max(low, 0.0), min(high, size)))
        (left, right), (low, high) = spans
        want |= ((y >= low) & (y <= high))[:, None] & ((x >= left) & (x <= right))
    np.testing.assert_array_equal(found, want)
    assert 0.02 < want.mean() < 0.98
    assert not Cells(np.zeros((3, 4), bool))


# ---- other values of fixed parameters -------------------------------------------------------


def test_the_live_plane_is_the_atlas_that_would_be_built(open_model, cosine_path, tmp_path):
    model, heard = open_model(cosine_path), []
    model.subscribe(heard.append)
    assert model.live_plane.words == ""
    model.set_parameters({"p6": 0.25})
    picture = model.picture
    assert "live_plane" in heard
    assert picture.live == {"p6": 0.25}
    assert picture.fixed["p6"] == 0.25
    assert "at p6 = 0.25: computed live on 12 × 10 nodes, all counts proved" in model.live_plane.words
    bifur.build_atlas(COSINE % 0.25, tmp_path / "built.h5").close()
    with bifur.open_atlas(tmp_path / "built.h5") as atlas:
        plane = atlas["cosine"]
        np.testing.assert_array_equal(picture.x, plane.x)
        np.testing.assert_array_equal(picture.sure, plane.map("completeness"))
        for choice in model.choices:
            model.set_map(choice)
            assert model.picture.choice == choice
            assert model.picture.live == {"p6": 0.25}
            np.testing.assert_array_equal(model.picture.values, values_of(plane, choice), err_msg=choice.name)
        assert picture.regions == plane.regions
        assert len(picture.curves) == len(plane.curves) > 0
        for one, other in zip(picture.curves, plane.curves, strict=True):
            np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-10)
    for iy, ix in ((0, 0), (5, 6), (9, 11)):
        found = bifur.find_equilibria("cosine", {**picture.fixed, "sigma2": picture.x[ix], "rho": picture.y[iy]})
        kinds = sorted(e.kind for e in found)
        label = picture.region_words(iy, ix)
        for kind in set(kinds):
            assert f"{kinds.count(kind)} {kind}" in label


def test_home_shows_the_atlas_again(open_model, cosine_path):
    model = open_model(cosine_path)
    before = model.picture
    model.set_parameters({"p6": 0.5})
    assert model.picture is not before
    model.go_home()
    assert model.picture is before
    assert model.live_plane.words == ""
    model.set_parameters({"sigma2": 0.1234})  # a free one: the map is that of the atlas
    assert model.live
    assert model.picture is before
    assert model.live_plane.words == ""


def test_until_it_is_computed_the_map_says_for_what_it_is(open_model, cosine_path):
    model, waiting = open_model(cosine_path), []

    class Later:
        def submit(self, kind, job, done, failed):
            if kind == "live plane":
                waiting.append((job, done))

    model.tasks = Later()
    model.set_parameters({"p6": 0.5})
    assert model.live_plane.words == "map at p6 = 1; the cross is at p6 = 0.5, being computed"
    model.set_parameters({"p6": 0.25})  # goes on before the first answer
    (first, take), *_ = waiting
    take(first())
    assert model.picture.live is None  # that answer holds for nothing that is wanted
    job, take = waiting[-1]
    take(job())
    assert model.picture.live == {"p6": 0.25}


def test_a_live_plane_that_fails_says_so_once(open_model, cosine_path, monkeypatch):
    model, asked = open_model(cosine_path), []

    def broken(*_):
        asked.append(1)
        raise ZeroDivisionError("no plane")

    monkeypatch.setattr("bifur_gui.live_plane.compute", broken)
    model.set_parameters({"p6": 0.5})
    assert "no plane" in model.notice
    assert model.live_plane.words.endswith("the cross is at p6 = 0.5, not computed")
    model.step(1, 0)
    assert len(asked) == 1


def test_coarse_at_first_then_finer_as_far_as_time_allows(open_model, tmp_path, monkeypatch):
    path = tmp_path / "large.h5"
    bifur.build_atlas((COSINE % 1).replace("12", "200").replace("10", "150"), path).close()
    model, sides = open_model(path), []
    from bifur_gui import live_plane

    real = live_plane.compute
    monkeypatch.setattr(
        live_plane,
        "compute",
        lambda like, fixed, choice, side, law: (sides.append(side), real(like, fixed, choice, side))[1],
    )
    model.set_parameters({"p6": 0.5})
    assert sides[0] == live_plane.FIRST_SIDE
    assert sides == sorted(set(sides))
    assert 2 <= len(sides) <= 4
    assert model.picture.shape == (sides[-1], sides[-1])
    assert model.picture.window[0][0] < 0 < model.picture.window[0][1]


# ---- a second plane -----------------------------------------------------------------------


def test_the_second_plane_is_another_with_the_same_parameters(open_model, atlas_path):
    model, heard = open_model(atlas_path), []
    model.subscribe(heard.append)
    second = model.companion
    second.open()
    assert heard == ["companion"]
    assert second.picture.name == "l2"
    assert second.linked
    assert second.zoom_linked
    assert second.planes == ("phinet", "l2", "three")
    model.move_to(0.8, 0.05)
    with bifur.open_atlas(atlas_path) as atlas:
        assert second.node == atlas["l2"].nearest(*model.cross)
    label = second.picture.region_words(*second.node)
    found = bifur.find_equilibria("l2", sigma2=second.picture.x[second.node[1]], rho=second.picture.y[second.node[0]])
    assert sum(int(part.split()[0]) for part in label.split(", ")) == len(found)
    second.set_map(next(c for c in second.picture.choices if c.name == "relaxation_rate"))
    assert model.choice.name == "region"
    assert second.picture.choice.name == "relaxation_rate"
    second.choose_plane("phinet")
    assert second.picture.choice.name == "relaxation_rate"
    assert second.picture.signatures == model.of_atlas.signatures
    second.close()
    assert second.picture is None


def test_a_region_has_one_colour_in_both_planes(open_model, atlas_path, cosine_path):
    model = open_model(atlas_path)
    model.companion.open(cosine_path)
    mine, its = model.of_atlas.signatures, model.companion.picture.signatures
    assert its[: len(mine)] == mine


def test_the_second_plane_follows_the_atlas_it_shares_and_keeps_its_own(open_model, atlas_path, cosine_path):
    model = open_model(atlas_path)
    model.companion.open()
    assert model.open(cosine_path)
    assert model.companion.picture.name == "cosine"
    model.companion.open(atlas_path, "phinet")
    assert model.companion.path == atlas_path
    assert model.open(atlas_path)
    assert model.companion.picture.name == "phinet"
    assert model.companion.path == atlas_path
    own = model.companion._atlas
    assert own.is_open
    model.close()
    assert not own.is_open


@pytest.mark.parametrize("how", ["missing", "no HDF5", "no plane"])
def test_a_second_file_that_is_wrong_leaves_all_as_it_was(open_model, atlas_path, tmp_path, how):
    model = open_model(atlas_path)
    model.companion.open()
    before = model.companion.picture
    bad = tmp_path / "bad.h5"
    if how == "no HDF5":
        bad.write_text("not an atlas")
    elif how == "no plane":
        shutil.copy(atlas_path, bad)
        with h5py.File(bad, "r+") as file:
            del file["planes/phinet/maps/completeness"]
    model.companion.open(bad)
    assert str(bad) in model.notice
    assert model.companion.picture is before
    assert model.plane.name == "phinet"


def test_a_foreign_second_file_is_tried_first(open_model, atlas_path, tmp_path, monkeypatch):
    model, tried = open_model(atlas_path), []
    foreign = tmp_path / "foreign.h5"
    shutil.copy(atlas_path, foreign)
    monkeypatch.setattr(quarantine, "is_known", lambda path: False)
    monkeypatch.setattr(quarantine, "scan_apart", lambda path: tried.append(path))
    said = []
    model.subscribe(lambda event: said.append(model.notice) if event == "notice" else None)
    model.companion.open(foreign)
    assert tried == [foreign]
    assert "trial process" in said[0]
    assert model.notice == ""
    assert model.companion.path == foreign

    def refused(path):
        raise ValueError(f"{path}: it crashed the trial")

    monkeypatch.setattr(quarantine, "scan_apart", refused)
    monkeypatch.setattr(bifur, "open_atlas", lambda path: pytest.fail("opened after all"))
    model.companion.open(foreign, "l2")
    assert "crashed the trial" in model.notice
