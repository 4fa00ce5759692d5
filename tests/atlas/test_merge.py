"""Atlases joined: the same chunks, the same values, one canonical spec; whatever goes wrong leaves nothing."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
import xarray

import bifur
from bifur.atlas import merge, schema
from bifur.atlas.store import write_atlas
from bifur.atlas.validation import save_validation
from tests.atlas import archived, synthetic
from tests.atlas.own import own_plane


def written(path, *names, nx=9, ny=17, title="closed forms"):
    specs = tuple(synthetic.plane_spec(nx, ny, name) for name in names)
    write_atlas(path, bifur.AtlasSpec(title, specs), [synthetic.plane_data(about) for about in specs])
    return path


@pytest.fixture
def two(tmp_path):
    return [written(tmp_path / "a.h5", "l2", nx=70, ny=130), written(tmp_path / "b.h5", "other", "third", title="more")]


def test_planes_come_in_order_with_one_canonical_spec(two, tmp_path):
    with bifur.merge_atlases(two, tmp_path / "out.h5") as atlas:
        assert atlas.planes == ["l2", "other", "third"]
        assert atlas.title == "closed forms; more"
        assert atlas.spec_digest == atlas.spec.digest
        specs = (synthetic.plane_spec(70, 130), *(synthetic.plane_spec(name=name) for name in ("other", "third")))
        assert atlas.spec == bifur.AtlasSpec("closed forms; more", specs)
    for source in two:
        found = bifur.diff_atlases(source, tmp_path / "out.h5")
        assert not found.different
        assert found.only_in[0] == ()


def chunks(dataset):
    for index in range(dataset.id.get_num_chunks()):
        about = dataset.id.get_chunk_info(index)
        yield about.chunk_offset, dataset.id.read_direct_chunk(about.chunk_offset)


def test_chunks_are_copied_as_they_are(two, tmp_path):
    bifur.merge_atlases(two, tmp_path / "out.h5").close()
    with h5py.File(two[0]) as source, h5py.File(tmp_path / "out.h5") as file:
        for name, dataset in source["planes/l2/maps"].items():
            copy = file["planes/l2/maps"][name]
            assert copy.dtype == dataset.dtype
            assert copy.chunks == dataset.chunks
            np.testing.assert_array_equal(copy[()], dataset[()])
            if dataset.chunks:
                assert dict(chunks(copy)) == dict(chunks(dataset))


def test_every_dimension_has_its_scale(two, tmp_path):
    """By references that lead to the scale of the same group, in both directions."""
    bifur.merge_atlases(two, tmp_path / "out.h5").close()
    seen = 0
    with h5py.File(tmp_path / "out.h5") as file:

        def look(name, thing):
            nonlocal seen
            if isinstance(thing, h5py.Group) or thing.is_scale:
                return
            for index, dimension in enumerate(thing.dims):
                (scale,) = dimension.values()
                assert scale.parent == thing.parent, name
                assert scale.shape == (thing.shape[index],)
                assert any(file[reference] == thing for reference, _ in scale.attrs["REFERENCE_LIST"]), name
                seen += 1

        file.visititems(look)
    assert seen > 100
    with xarray.open_dataset(tmp_path / "out.h5", engine="h5netcdf", group="planes/third/maps") as ds:
        assert ds.state.dims == ("rho", "sigma2", "equilibrium", "component")
        np.testing.assert_array_equal(ds.state.values, synthetic.plane_data().maps["state"])


def test_groups_and_attributes_are_as_in_any_atlas(two, tmp_path):
    bifur.merge_atlases(two, tmp_path / "out.h5").close()
    with h5py.File(two[1]) as source, h5py.File(tmp_path / "out.h5") as file:

        def look(name, thing):
            copy = file[name]
            assert set(copy.attrs) == set(thing.attrs), name
            for key in set(thing.attrs) - {"DIMENSION_LIST", "REFERENCE_LIST"}:
                assert copy.attrs.get_id(key).dtype == thing.attrs.get_id(key).dtype, (name, key)
                np.testing.assert_array_equal(copy.attrs[key], thing.attrs[key])

        for part in ("planes", "systems"):
            source[part].visititems(lambda name, thing, part=part: look(f"{part}/{name}", thing))
        assert list(file["systems"]) == ["l2"]
        assert file.attrs["format_version"] == schema.VERSION


def test_planes_of_one_name_are_refused_with_the_way_out(two, tmp_path):
    twin = written(tmp_path / "twin.h5", "l2")
    with pytest.raises(ValueError, match=r'plane "l2" is in a.h5 and in twin.h5: rename one, as in `rename` l2=l2-2'):
        bifur.merge_atlases([two[0], twin], tmp_path / "out.h5")
    with bifur.merge_atlases([two[0], twin], tmp_path / "out.h5", rename={"l2": "l2-2"}) as atlas:
        assert atlas.planes == ["l2", "l2-2"]
        assert (atlas["l2"].shape, atlas["l2-2"].shape) == ((130, 70), (17, 9))
        assert atlas.spec_digest == atlas.spec.digest
    third = written(tmp_path / "third.h5", "l2", nx=3)
    with bifur.merge_atlases([two[0], twin, third], tmp_path / "3.h5", rename={"l2": ["b", "c"]}) as atlas:
        assert [(name, atlas[name].shape[1]) for name in atlas] == [("l2", 70), ("b", 9), ("c", 3)]


def test_one_atlas_whose_plane_gets_another_name(two, tmp_path):
    with bifur.merge_atlases(two[1:], tmp_path / "out.h5", rename={"third": "last"}, title="new") as atlas:
        assert (atlas.planes, atlas.title) == (["other", "last"], "new")
        assert atlas["last"].at(sigma2=1, rho=0.01).equilibria


def test_wrong_names(two, tmp_path):
    for rename, sentence in (
        ({"l3": "x"}, r"`rename`: unknown plane 'l3': accepted are l2, other, third \(did you mean l2\?\)"),
        ({"l2": ["x", "y"]}, "2 new names for plane 'l2', of which there is 1 to rename"),
        ({"l2": "other"}, 'plane "other" is in a.h5 and in b.h5'),
        ({"l2": "a b"}, "`name` takes a letter"),
    ):
        with pytest.raises(ValueError, match=sentence):
            bifur.merge_atlases(two, tmp_path / "out.h5", rename=rename)
    with pytest.raises(ValueError, match=r"`atlases` must be a list of names of files, not 'a\.h5'"):
        bifur.merge_atlases("a.h5", tmp_path / "out.h5")
    assert {file.name for file in tmp_path.iterdir()} == {"a.h5", "b.h5"}


def test_two_systems_of_one_name_are_refused(tmp_path):
    first = own_plane(lambda u, p: (p.k - u[0] ** 2, -u[1] * p.m))
    second = own_plane(lambda u, p: (p.k - u[0] ** 3, -u[1] * p.m), name="second")
    for name, (about, data) in (("a", first), ("b", second)):
        write_atlas(tmp_path / f"{name}.h5", bifur.AtlasSpec("", (about,)), [data])
    with pytest.raises(ValueError, match=r"the system 'own' of a.h5 and that of b.h5 have different equations"):
        bifur.merge_atlases([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5")
    # a user's system travels along
    with bifur.merge_atlases([tmp_path / "a.h5", written(tmp_path / "c.h5", "l2")], tmp_path / "out.h5") as atlas:
        assert atlas.planes == ["own", "l2"]
        np.testing.assert_array_equal(atlas["own"].system.field((0.5, 2.0), k=1.0, m=3.0), [0.75, -6.0])


def test_what_exists_stays(two, tmp_path):
    out = tmp_path / "out.h5"
    out.write_text("text")
    for place, overwrite, sentence in (
        (out, False, "this exists; give another name, or `overwrite` to replace it"),
        (out, True, "this exists and is no atlas, so it is left alone"),
        (two[0], True, "this is one of the atlases to join"),
        (tmp_path / "nowhere" / "out.h5", False, "there is no folder"),
    ):
        with pytest.raises(ValueError, match=sentence):
            bifur.merge_atlases(two, place, overwrite=overwrite)
    assert out.read_text() == "text"
    out.unlink()
    h5py.File(out, "w").close()
    with pytest.raises(ValueError, match="this exists and is no atlas, so it is left alone"):
        bifur.merge_atlases(two, out, overwrite=True)
    out.unlink()
    written(out, "old")
    bifur.merge_atlases(two, out, overwrite=True).close()
    with bifur.open_atlas(out) as atlas:
        assert atlas.planes == ["l2", "other", "third"]
    assert {file.name for file in tmp_path.iterdir()} == {"a.h5", "b.h5", "out.h5"}


def test_the_archives_joined_hold_what_they_claim(tmp_path):
    """Of two format versions, with their validation runs, audited whole."""
    old, new = (archived.unpacked(path, tmp_path) for path in archived.ARCHIVES[:2])
    rename = {"l2": "l2-new", "phinet": "phinet-new"}
    seen = []
    out = tmp_path / "out.h5"
    with bifur.merge_atlases([old, new], out, rename=rename, progress=lambda *told: seen.append(told[:2])) as atlas:
        assert seen == [(done, 4) for done in range(5)]
        assert "radius" not in atlas["l2"].maps
        assert "radius" in atlas["l2-new"].maps
        for plane, source in (("l2", old), ("l2-new", new)):
            (run,) = atlas[plane].validations
            with bifur.open_atlas(source) as before:
                (was,) = before["l2"].validations
            assert (run.id, run.created, run.plane) == (was.id, was.created, plane)
            np.testing.assert_array_equal(run.runs["final"], was.runs["final"])
            assert run.path.parent.name == "out.h5.more"
    assert bifur.audit_atlas(out, sample=3).ok
    assert not bifur.diff_atlases(old, out).different


def test_a_failure_takes_the_validation_runs_away_again(tmp_path, monkeypatch):
    old = archived.unpacked(archived.ARCHIVES[0], tmp_path)
    with bifur.open_atlas(old) as atlas:
        (run,) = atlas["l2"].validations
    save_validation(dataclasses.replace(run), old)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(merge, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        bifur.merge_atlases([old], tmp_path / "out.h5")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert not (tmp_path / "out.h5.more").exists()
