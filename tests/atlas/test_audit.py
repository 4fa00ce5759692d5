"""`bifur audit`: a true atlas passes; whatever is falsified in it is caught."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import bifur
from bifur.atlas import plane
from bifur.atlas.plane import COMPLETENESS, KINDS
from bifur.cli import main

DOUBTS = list(plane.DOUBTS)
SPEC = """
format = 1
title = "small"

[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 2], points = 20}
y = {parameter = "rho", span = [1e-4, 1], points = 40, scale = "log"}
maps = ["relaxation_rate", "curve_distance", "max_learning_rate", "leading_state"]
slices = [{free = "rho", at = {sigma2 = [0.5]}}]

[[plane]]
name = "edge"
system = "l2-full"
x = {parameter = "sigma2", span = [0, 1], points = 9}
y = {parameter = "rho", span = [0, 0.25], points = 11}
"""


@pytest.fixture(scope="module")
def true(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "true.h5"
    bifur.build_atlas(SPEC, path).close()
    return path


@pytest.fixture
def falsified(true, tmp_path):
    """A copy, changed by a function of the group of the plane `phinet`."""

    def copy(change, plane="phinet"):
        path = tmp_path / "false.h5"
        shutil.copy(true, path)
        with h5py.File(path, "r+") as file:
            change(file[f"planes/{plane}"])
        return path

    return copy


def failed(path, **options):
    """Names of the checks that fail."""
    return {check.name for _, check in bifur.audit_atlas(path, **options).failed}


def write(group, name, index, value):
    group["maps"][name][index] = value


def test_a_true_atlas_is_as_claimed(true):
    found = bifur.audit_atlas(true, sample=60)
    assert found.ok
    assert found.failed == []
    by_name = {check.name: check for check in found.checks["phinet"]}
    assert by_name["numbers"].compared == 800  # every node
    assert by_name["numbers, exactly"].compared == 60
    assert by_name["enclosures"].compared > 2000
    assert by_name["continuity"].compared > 2000
    assert by_name["rims"].compared > 300
    assert set(found.checks) == {"phinet", "edge"}


@pytest.mark.long
def test_all_nodes_in_exact_arithmetic(true):
    found = bifur.audit_atlas(true, everything=True)
    assert found.ok
    assert {check.name: check.compared for check in found.checks["phinet"]}["numbers, exactly"] == 800


def node_with(group, kind="saddle"):
    """(iy, ix, slot) of an equilibrium of a kind, away from the rim."""
    places = np.argwhere(group["maps/kind"][()] == KINDS.index(kind))
    return tuple(int(i) for i in places[len(places) // 2])


def flip_sign(group, everywhere):
    """The sign of the leading eigenvalue of a sink; with all that follows from it, where asked for."""
    iy, ix, k = node_with(group, "sink")
    re = group["maps/eigenvalues_real"][iy, ix, k]
    re[0] = -re[0]
    group["maps/eigenvalues_real"][iy, ix, k] = re
    if everywhere:
        write(group, "n_unstable", (iy, ix, k), 1)
        write(group, "kind", (iy, ix, k), KINDS.index("saddle"))
        write(group, "n_stable", (iy, ix), group["maps/n_stable"][iy, ix] - 1)


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_sign_of_one_eigenvalue(falsified, everywhere):
    found = failed(falsified(lambda group: flip_sign(group, everywhere)), sample=0)
    assert "spectra" in found
    assert ("stability" if everywhere else "signs") in found


def remove(group, iy, ix, k):
    """An equilibrium, from every map that holds it."""
    maps = group["maps"]
    for name, dataset in maps.items():
        if dataset.ndim >= 3 and not dataset.is_scale and name != "leading_state":
            nothing = {"kind": 0}.get(name, -1 if dataset.dtype.kind == "i" else np.nan)
            dataset[iy, ix, k] = nothing
    maps["n_equilibria"][iy, ix] = maps["n_equilibria"][iy, ix] - 1
    maps["n_stable"][iy, ix] = (maps["kind"][iy, ix] == KINDS.index("sink")).sum()


def test_one_missing_equilibrium(falsified):
    path = falsified(lambda group: remove(group, *node_with(group)))
    found = failed(path, sample=0)
    assert {"numbers", "parity", "indices", "regions"} <= found
    assert "curves" in found  # the number changes where no fold passes
    assert "numbers, exactly" in failed(path, everything=True)


def test_a_missing_pair(falsified):
    """A saddle and a sink away together: parity and indices hold, the proved number does not."""

    def change(group):
        iy, ix, k = node_with(group)
        sink = int(np.flatnonzero(group["maps/kind"][iy, ix] == KINDS.index("sink"))[0])
        remove(group, iy, ix, k)
        remove(group, iy, ix, sink)

    found = failed(falsified(change), sample=0)
    assert "numbers" in found
    assert "parity" not in found


@pytest.mark.parametrize(("column", "shift"), [("parameters", 1e-6), ("parameters", -1e-3), ("state", 1e-6)])
def test_one_shifted_fold_point(falsified, column, shift):
    def change(group):
        data = group["curves/LP-0"][column]
        point = len(data) // 2
        row = data[point]
        row[1] += shift * max(abs(row[1]), 1e-3)
        data[point] = row

    path = falsified(change)
    assert "curves" in failed(path, sample=0)
    check = next(c for _, c in bifur.audit_atlas(path, sample=0).failed if c.where.startswith("curve 0"))
    assert check.failed == 1


def test_a_shifted_special_point(falsified):
    def change(group):
        data = group["special_points/parameters"]
        row = data[0]
        row[1] *= 1 + 1e-5
        data[0] = row

    assert "special points" in failed(falsified(change), sample=0)


def at_doubt(group, kind):
    """A node that is proved, and a slot of this kind there."""
    places = np.argwhere((group["maps/kind"][()] == KINDS.index(kind)) & (group["maps/doubt"][()] == 0)[..., None])
    return tuple(int(i) for i in places[len(places) // 3])


@pytest.mark.parametrize("name", ["undecided", "degenerate"])
def test_a_proved_node_whose_kind_is_not_told(falsified, name):
    def change(group):
        iy, ix, k = at_doubt(group, "sink")
        write(group, "kind", (iy, ix, k), KINDS.index(name))
        write(group, "n_stable", (iy, ix), group["maps/n_stable"][iy, ix] - 1)

    assert {"kinds of proved nodes", "stability"} <= failed(falsified(change), sample=0)


def test_a_doubt_about_stability_that_there_is_none_of(falsified):
    def change(group):
        iy, ix, _ = at_doubt(group, "sink")
        write(group, "doubt", (iy, ix), DOUBTS.index("stability"))

    assert "kinds of proved nodes" in failed(falsified(change), sample=0)


def test_a_node_that_is_called_probable(falsified):
    def change(group):
        group["maps/completeness"][0, 3] = COMPLETENESS.index("probable")

    assert "verdicts" in failed(falsified(change, "edge"), sample=0)


def shorten(points, index):
    """A table of special points without one of them."""
    for name in list(points):
        rows = np.delete(points[name][()], index, axis=0)
        if not points[name].is_scale:
            points[name][...] = np.concatenate([rows, rows[-1:]])


def slices_without_a_point(group):
    """The last special point of the slice goes from the slice and from the table: it is that before it, twice."""
    table, own = group["special_points"], group["slices/0/special_points"]
    on = table["on"].asstr()[()].tolist()
    shorten(table, len(on) - 1)
    shorten(own, len(own["kind"]) - 1)


def test_a_missing_special_point(falsified):
    def in_the_table(group):
        shorten(group["special_points"], 0)

    assert "table of special points" in failed(falsified(in_the_table), sample=0)
    assert "slices, traced again" in failed(falsified(slices_without_a_point), sample=0)


def test_a_special_point_of_no_known_kind(falsified):
    def change(group):
        group["special_points/kind"][0] = "XX"

    assert {"special points", "table of special points"} <= failed(falsified(change), sample=0)


def with_another_form(points):
    for i, text in enumerate(points["normal_form"].asstr()[()].tolist()):
        form = json.loads(text)
        numbers = [key for key, value in form.items() if isinstance(value, float)]
        if numbers:
            form[numbers[0]] = form[numbers[0]] * 1.1 + 0.01
            points["normal_form"][i] = json.dumps(form)
            return
    raise AssertionError("no normal form")


def test_another_normal_form(falsified):
    def everywhere(group):
        with_another_form(group["slices/0/special_points"])

    def in_the_table(group):
        with_another_form(group["special_points"])

    assert {"slices, traced again", "table of special points"} <= failed(falsified(everywhere), sample=0)
    assert "table of special points" in failed(falsified(in_the_table), sample=0)


@pytest.mark.parametrize("name", ["normal_form", "eigenvalues_real", "eigenvalues_imag"])
def test_other_numbers_along_a_curve(falsified, name):
    def change(group):
        data = group["curves/LP-0"][name]
        point = len(data) // 2
        data[point] = data[point] * 1.01 + 0.01

    assert "along curves" in failed(falsified(change), sample=0)


@pytest.mark.parametrize("factor", [0.0, 2.0, None])
def test_other_tangents_of_a_branch(falsified, factor):
    """Zero, longer, and turned."""

    def change(group):
        data = group["slices/0/branches/0/tangent"]
        row = data[len(data) // 2]
        turned = np.roll(row, 1) if np.abs(np.roll(row, 1) - row).max() > 1e-3 else np.append(row[:-1] + 0.5, row[-1])
        data[len(data) // 2] = turned / np.linalg.norm(turned) if factor is None else factor * row

    assert "tangents" in failed(falsified(change), sample=0)


def test_a_slice_that_is_called_proved(falsified, monkeypatch):
    """A diagram whose verdict does not come out again."""
    from bifur.atlas import audit_curves

    true_trace = audit_curves.trace
    monkeypatch.setattr(audit_curves, "trace", lambda *a, **k: replace(true_trace(*a, **k), completeness="probable"))

    def change(group):
        group["slices/0"].attrs["completeness"] = "proved"

    assert "slices, traced again" in failed(falsified(change), sample=0)


def test_special_points_lie_where_they_are_said_to(falsified):
    def change(group):
        on = group["special_points/on"]
        for i, place in enumerate(on.asstr()[()].tolist()):  # a fold lies on one of the two fold curves
            on[i] = "curve 0" if place == "slice 0" else place

    assert "on curves and slices" in failed(falsified(change), sample=0)


def test_one_swapped_sheet(falsified):
    """Two sheets at one node: by their numbers, or by all that is held of them."""

    def numbers(group):
        iy, ix, _ = node_with(group)
        sheet = group["maps/sheet"][iy, ix]
        a, b = np.flatnonzero(sheet >= 0)[:2]
        sheet[[a, b]] = sheet[[b, a]]
        group["maps/sheet"][iy, ix] = sheet

    def members(group):
        iy, ix, _ = node_with(group)
        a, b = np.flatnonzero(group["maps/sheet"][iy, ix] >= 0)[:2]
        for name, dataset in group["maps"].items():
            if dataset.ndim >= 3 and not dataset.is_scale and name not in ("leading_state", "sheet"):
                values = dataset[iy, ix]
                values[[a, b]] = values[[b, a]]
                dataset[iy, ix] = values

    assert "slots of sheets" in failed(falsified(numbers), sample=0)
    assert failed(falsified(members), sample=0) == {"continuity"}


def test_a_moved_state(falsified):
    """By a thousandth; and by one that its residual does not show."""

    def change(factor):
        def moved(group):
            iy, ix, k = node_with(group, "sink")
            group["maps/state"][iy, ix, k] = group["maps/state"][iy, ix, k] * factor + 1e-9 * (factor - 1)

        return moved

    assert "residuals" in failed(falsified(change(1.001)), sample=0)
    assert "enclosures" in failed(falsified(change(1 + 1e-9)), sample=0)


def test_a_box_that_is_too_large(falsified):
    def change(group):
        iy, ix, k = node_with(group)
        write(group, "radius", (iy, ix, k), 64.0)

    found = failed(falsified(change), sample=0)
    assert {"enclosures", "disjoint"} <= found


def test_a_verdict_that_is_too_good(falsified):
    """The row rho = 0 holds sets of equilibria; called proved, also with the doubt taken away."""

    def change(group):
        assert np.all(group["maps/completeness"][0] == COMPLETENESS.index("unknown"))
        group["maps/completeness"][0, 3] = COMPLETENESS.index("proved")

    def thorough(group):
        change(group)
        group["maps/doubt"][0, 3] = 0

    assert {"verdicts", "numbers", "enclosed"} <= failed(falsified(change, "edge"), sample=0)
    assert {"numbers", "enclosed", "ledger"} <= failed(falsified(thorough, "edge"), sample=0)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("region", "regions"),
        ("n_stable", "counts of sinks"),
        ("relaxation_rate", "map relaxation_rate"),
        ("max_learning_rate", "map max_learning_rate"),
        ("curve_distance", "map curve_distance"),
        ("oscillatory", "oscillatory"),
        ("kind", "kinds"),
    ],
)
def test_one_entry_of_a_map(falsified, name, check):
    def change(group):
        data = group["maps"][name]
        place = node_with(group, "sink")[: data.ndim]
        data[place] = data[place] + 1

    assert check in failed(falsified(change), sample=0)


def test_a_point_of_a_slice(falsified):
    def change(group):
        data = group["slices/0/branches/0/state"]
        row = data[len(data) // 2]
        data[len(data) // 2] = row + 1e-6

    assert "slices" in failed(falsified(change), sample=0)


def test_another_equation(falsified):
    """Equations that are not those of the spec are refused on reading already."""

    def change(group):
        attributes = group.file["systems/phinet"].attrs
        texts = json.loads(attributes["expressions"])
        texts[1] = texts[1].replace("p_h**3", "p_h**5") if "p_h**3" in texts[1] else f"2*({texts[1]})"
        attributes["expressions"] = json.dumps(texts)

    with pytest.raises(ValueError, match="its equations have changed"):
        bifur.audit_atlas(falsified(change), sample=0)


def test_nodes_that_are_not_those_of_the_spec(falsified):
    def change(group):
        group["maps/sigma2"][3] = group["maps/sigma2"][3] * 1.01

    assert {"nodes", "residuals"} <= failed(falsified(change), sample=0)


def test_a_file_of_format_1_0_is_audited_without_its_enclosures(falsified):
    """Files before 1.1 have neither boxes nor doubts; their numbers are proved again."""

    def change(group):
        for name in ("phinet", "edge"):
            del group.file[f"planes/{name}/maps/radius"], group.file[f"planes/{name}/maps/doubt"]
        group.file.attrs["format_version"] = "1.0"

    path = falsified(change)
    found = bifur.audit_atlas(path, sample=20)
    assert not {check.name for _, check in found.failed} - {"ledger"}
    assert {c.name: c.compared for c in found.checks["phinet"]}["numbers"] == 800


# ---- the command ---------------------------------------------------------------------------------


def run(*words):
    return CliRunner().invoke(main, list(map(str, words)))


def test_the_command_says_what_was_checked(true):
    result = run("audit", true, "--sample", 10)
    assert result.exit_code == 0
    assert re.search(r"numbers, exactly +10 +0", result.output)
    assert "everything is as claimed" in result.output


def test_the_command_ends_with_1_where_something_is_false(falsified):
    path = falsified(lambda group: flip_sign(group, True))
    result = run("audit", path, "--sample", 0)
    assert result.exit_code == 1
    assert "stored eigenvalues are not those of the Jacobian" in result.output
    result = run("audit", path, "--sample", 0, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["ok"] is False
    spectra = next(check for check in told["planes"]["phinet"] if check["name"] == "spectra")
    assert spectra["failed"] == 1


def test_wrong_words(true, tmp_path):
    for words, sentence in (
        (("--sample", "3", "--all"), "--sample and --all exclude each other"),
        (("--sample", "-1"), "--sample"),
        (("--sample", "x"), "--sample"),
    ):
        result = run("audit", true, *words)
        assert result.exit_code == 2
        assert sentence in result.output
    assert run("audit", tmp_path / "missing.h5").exit_code == 2
    for bad in (-1, 1.5, True, "all"):
        with pytest.raises(ValueError, match="`sample` must be a whole number"):
            bifur.audit_atlas(true, sample=bad)


def test_an_atlas_that_branch_and_prune_proved(tmp_path):
    """Numbers by balls, where there is no polynomial form."""
    spec = """
format = 1
[[plane]]
name = "fast"
system = "data/systems/ml_fast.py"
x = {parameter = "y", span = [0, 0.3], points = 6}
y = {parameter = "z", span = [-0.2, 0.4], points = 6}
"""
    path = tmp_path / "fast.h5"
    with bifur.build_atlas(spec, path) as atlas:
        assert np.all(atlas["fast"].map("completeness") == COMPLETENESS.index("proved"))
    found = bifur.audit_atlas(path, everything=True)
    assert found.ok
    assert {check.name: check.compared for check in found.checks["fast"]}["numbers, exactly"] == 36
