"""Atlases made to harm: one function for each attack, which takes a copy of a genuine atlas and changes it.

`ATTACKS` holds them by name. A function gets the path of the copy and the path of a secret text file beside it.

    python -m tests.atlas.hostile FOLDER        # reads FOLDER/NAME/atlas.h5 for each, prints what came of it as JSON
"""

from __future__ import annotations

import json
import os
import re
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

Attack = Callable[[Path, Path], None]
ATTACKS: dict[str, Attack] = {}
PLANE = "planes/l2"
MAPS = f"{PLANE}/maps"
PACKED = {"compression": 1, "shuffle": True}


def attack(make: Attack) -> Attack:
    """Collects the function."""
    ATTACKS[make.__name__] = make
    return make


@contextmanager
def edited(path: Path) -> Iterator[h5py.File]:
    with h5py.File(path, "r+", libver=("earliest", "v110")) as file:
        yield file


def replaced(file: h5py.File, name: str, **made: object) -> h5py.Dataset:
    """Another dataset in place of this one."""
    del file[name]
    return file.create_dataset(name, **made)


# ---- other files ------------------------------------------------------------------------


@attack
def external_link(path, secret):
    with edited(path) as file:
        del file[f"{MAPS}/region"]
        file[f"{MAPS}/region"] = h5py.ExternalLink(other(secret), "/x")


@attack
def external_link_to_a_group(path, secret):
    with edited(path) as file:
        del file[f"{PLANE}/curves"]
        file[f"{PLANE}/curves"] = h5py.ExternalLink(other(secret), "/")


@attack
def external_link_beside_the_planes(path, secret):
    with edited(path) as file:
        file["more"] = h5py.ExternalLink(str(secret), "/")


@attack
def external_link_among_many(path, secret):
    with edited(path) as file:
        group = file.create_group("many", track_order=True)
        for index in range(20):
            group.create_group(str(index))
        group["last"] = h5py.ExternalLink(other(secret), "/x")


@attack
def soft_link(path, secret):
    with edited(path) as file:
        del file[f"{MAPS}/region"]
        file[f"{MAPS}/region"] = h5py.SoftLink(f"/{MAPS}/n_stable")


@attack
def soft_link_to_nothing(path, secret):
    with edited(path) as file:
        file["systems/l3"] = h5py.SoftLink("/nowhere")


@attack
def soft_link_to_itself(path, secret):
    with edited(path) as file:
        file["loop"] = h5py.SoftLink("/loop")


@attack
def user_defined_link(path, secret):
    """The type of an external link changed into one that only a program of its own would follow."""
    with edited(path) as file:
        file["more"] = h5py.ExternalLink("abcdefgh.h5", "/x")
    raw = path.read_bytes()
    change(path, raw.rindex(b"\x40", 0, raw.index(b"\x04more")), b"\x63")


@attack
def hard_link_cycle(path, secret):
    with edited(path) as file:
        file[f"{PLANE}/again"] = file[PLANE]


@attack
def hard_link_to_the_root(path, secret):
    with edited(path) as file:
        file["systems/root"] = file["/"]


@attack
def one_object_by_two_paths(path, secret):
    with edited(path) as file:
        del file[f"{MAPS}/n_stable"]
        file[f"{MAPS}/n_stable"] = file[f"{MAPS}/region"]


@attack
def external_storage(path, secret):
    with edited(path) as file:
        replaced(file, f"{MAPS}/region", shape=(17, 9), dtype="i2", external=[(str(secret), 0, 306)])


@attack
def external_storage_relative(path, secret):
    with edited(path) as file:
        replaced(file, f"{PLANE}/regions/nodes", shape=(2,), dtype="i8", external=[(secret.name, 0, 16)])


@attack
def external_storage_of_another_map(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("more", shape=(17, 9), dtype="u1", external=[("/etc/passwd", 0, 153)])


@attack
def external_storage_outside_of_the_planes(path, secret):
    with edited(path) as file:
        file.create_dataset("more", shape=(16,), dtype="S1", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


@attack
def virtual_dataset(path, secret):
    layout = h5py.VirtualLayout(shape=(17, 9), dtype="i2")
    layout[:] = h5py.VirtualSource(other(secret), "x", shape=(17, 9))
    with edited(path) as file:
        del file[f"{MAPS}/region"]
        file[MAPS].create_virtual_dataset("region", layout)


@attack
def virtual_dataset_of_the_same_file(path, secret):
    layout = h5py.VirtualLayout(shape=(17, 9), dtype="i2")
    layout[:] = h5py.VirtualSource(".", f"/{MAPS}/n_stable", shape=(17, 9))
    with edited(path) as file:
        del file[f"{MAPS}/region"]
        file[MAPS].create_virtual_dataset("region", layout)


@attack
def virtual_dataset_by_a_pattern(path, secret):
    """Its size depends on the files that there are, so that asking for it opens them."""
    space = h5py.h5s.create_simple((1, 9), (h5py.h5s.UNLIMITED, 9))
    space.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED,) * 1 + (1,), (1, 9), (1, 9))
    source = h5py.h5s.create_simple((1, 9))
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_virtual(space, (other(secret)[:-3] + "%b.h5").encode(), b"x", source)
    with edited(path) as file:
        h5py.h5d.create(file[MAPS].id, b"more", h5py.h5t.STD_I16LE, space, plan)


def other(secret: Path) -> str:
    """An HDF5 file with the secret in it."""
    path = secret.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        file["x"] = np.frombuffer((secret.read_bytes() * 40)[:306], "i2").reshape(17, 9)
    return str(path)


# ---- sizes ------------------------------------------------------------------------------


@attack
def absurd_size(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("huge", shape=(3 * 10**7, 3 * 10**7), chunks=(1000, 1000), dtype="f8", **PACKED)


@attack
def absurd_size_of_a_known_map(path, secret):
    with edited(path) as file:
        replaced(file, f"{MAPS}/state", shape=(17, 9, 10**9, 1), chunks=(17, 9, 1, 1), dtype="f8", **PACKED)


@attack
def absurd_size_contiguous(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("huge", shape=(2**40,), dtype="f8")


@attack
def size_beyond_64_bits(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("huge", shape=(2**40, 2**40), chunks=(8, 8), dtype="i1", **PACKED)


@attack
def many_slots_that_are_not_stored(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("huge", shape=(2**14, 2**14, 2**14, 8), chunks=(64, 64, 1, 8), dtype="f8", **PACKED)


@attack
def a_table_that_is_not_stored(path, secret):
    with edited(path) as file:
        replaced(file, f"{PLANE}/regions/nodes", shape=(2**28,), chunks=(2**16,), dtype="i8", **PACKED)


@attack
def a_table_of_zeros(path, secret):
    """Few bytes that gzip makes many: 200 MB out of 200 KB."""
    with edited(path) as file:
        made = replaced(file, f"{PLANE}/ledger/worst", shape=(25 * 2**20,), chunks=(2**20,), dtype="f8", compression=1)
        packed = zlib.compress(bytes(2**23), 9)
        for place in range(0, 25 * 2**20, 2**20):
            made.id.write_direct_chunk((place,), packed)


@attack
def huge_chunks(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("huge", shape=(2**14, 2**14), chunks=(2**12, 2**12), dtype="f8", compression=1)


@attack
def text_never_written(path, secret):
    with edited(path) as file:
        replaced(file, f"{PLANE}/regions/label", shape=(2**27,), dtype=h5py.string_dtype())


@attack
def wide_strings(path, secret):
    with edited(path) as file:
        replaced(file, f"{PLANE}/regions/label", shape=(2,), dtype="S2000000")


@attack
def many_dimensions(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("deep", shape=(1,) * 20, dtype="f8")


# ---- chunks -----------------------------------------------------------------------------


def packed_chunk(path: Path, content: bytes, mask: int = 0, name: str = "region", **options: object) -> None:
    with edited(path) as file:
        about = {"shape": (17, 9), "chunks": (17, 9), "dtype": "i2", "compression": 1, "shuffle": True, **options}
        replaced(file, f"{MAPS}/{name}", **about).id.write_direct_chunk((0, 0), content, mask)


@attack
def a_chunk_that_unpacks_to_much_more(path, secret):
    packed_chunk(path, zlib.compress(bytes(2**28), 9))


@attack
def a_chunk_that_unpacks_to_less(path, secret):
    """HDF5 would fill the rest with what lies in the memory of the process."""
    packed_chunk(path, zlib.compress(bytes(16)))


@attack
def a_chunk_that_unpacks_to_nothing(path, secret):
    packed_chunk(path, zlib.compress(b""))


@attack
def a_plain_chunk_that_is_too_short(path, secret):
    packed_chunk(path, bytes(16), compression=None, shuffle=False)


@attack
def a_chunk_that_skips_its_filters(path, secret):
    packed_chunk(path, bytes(16), mask=3)


@attack
def a_chunk_cut_off(path, secret):
    packed_chunk(path, zlib.compress(bytes(306))[:-6])


@attack
def a_chunk_of_noise(path, secret):
    packed_chunk(path, bytes(range(256)))


@attack
def filter_of_another_kind(path, secret):
    with edited(path) as file:
        data = np.zeros((17, 9), "i2")
        replaced(file, f"{MAPS}/region", data=data, chunks=(17, 9), compression="lzf")


@attack
def filter_that_is_no_filter(path, secret):
    """A number of a filter that HDF5 would look for among the plugins of the machine."""
    with edited(path) as file:
        del file[f"{MAPS}/region"]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((17, 9))
        plan.set_filter(31999, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        space = h5py.h5s.create_simple((17, 9))
        h5py.h5d.create(file[MAPS].id, b"region", h5py.h5t.STD_I16LE, space, plan)


@attack
def scaled_and_shifted(path, secret):
    with edited(path) as file:
        replaced(file, f"{MAPS}/region", shape=(17, 9), chunks=(17, 9), dtype="i2", scaleoffset=4)


# ---- types ------------------------------------------------------------------------------


def of_type(path: Path, kind: object, name: str = "odd") -> None:
    with edited(path) as file:
        file[MAPS].create_dataset(name, shape=(17, 9), dtype=kind)


@attack
def compound_values(path, secret):
    of_type(path, np.dtype([("a", "f8"), ("b", "i4")]))


@attack
def opaque_values(path, secret):
    of_type(path, np.dtype("V16"))


@attack
def enumerated_values(path, secret):
    of_type(path, np.dtype(bool))


@attack
def complex_values(path, secret):
    of_type(path, np.dtype("c16"))


@attack
def bit_fields(path, secret):
    with edited(path) as file:
        h5py.h5d.create(file[MAPS].id, b"odd", h5py.h5t.STD_B8LE, h5py.h5s.create_simple((17, 9)))


@attack
def object_references(path, secret):
    of_type(path, h5py.ref_dtype)


@attack
def region_references(path, secret):
    of_type(path, h5py.regionref_dtype)


@attack
def sequences(path, secret):
    of_type(path, h5py.vlen_dtype(np.float64))


@attack
def arrays_as_values(path, secret):
    of_type(path, np.dtype(("f8", (2**20,))))


@attack
def long_doubles(path, secret):
    of_type(path, np.dtype(np.longdouble))


@attack
def named_type(path, secret):
    with edited(path) as file:
        file["named"] = np.dtype("f8")


@attack
def compound_attribute(path, secret):
    with edited(path) as file:
        file[MAPS].attrs["odd"] = np.zeros(3, [("a", "f8"), ("b", "i4")])


@attack
def reference_attribute(path, secret):
    with edited(path) as file:
        file[MAPS].attrs.create("odd", file.ref, dtype=h5py.ref_dtype)


@attack
def enumerated_attribute(path, secret):
    with edited(path) as file:
        file[MAPS].attrs["odd"] = True


@attack
def sequence_attribute(path, secret):
    with edited(path) as file:
        values = np.empty(1, object)
        values[0] = np.arange(5.0)
        file[MAPS].attrs.create("odd", values, dtype=h5py.vlen_dtype(np.float64))


# ---- numbers of things ------------------------------------------------------------------


@attack
def deep_groups(path, secret):
    with edited(path) as file:
        file.create_group("/".join(["a"] * 40))


@attack
def many_attributes(path, secret):
    with edited(path) as file:
        for index in range(300):
            file[MAPS].attrs[f"a{index}"] = index


@attack
def attributes_in_a_heap(path, secret):
    with edited(path) as file:
        group = file.create_group("ordered", track_order=True)
        for index in range(20):
            group.attrs[f"a{index}"] = "x"


@attack
def names_that_a_terminal_obeys(path, secret):
    with edited(path) as file:
        file[MAPS].create_dataset("\x1b]0;gone\x07", data=np.zeros((17, 9)))


# ---- text -------------------------------------------------------------------------------


def change(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(content)


@attack
def one_text_for_all_rows(path, secret):
    """A million descriptors of one text of a megabyte."""
    with edited(path) as file:
        made = replaced(file, f"{PLANE}/regions/label", shape=(10**6,), dtype=h5py.string_dtype())
        made[0] = "x" * 2**20
        file.flush()
        place = made.id.get_offset()
    with path.open("r+b") as raw:
        raw.seek(place)
        one = raw.read(16)
        raw.seek(place)
        raw.write(one * 10**6)


@attack
def one_text_for_all_entries_of_an_attribute(path, secret):
    with edited(path) as file:
        file["systems/l2"].attrs.create("states", ["x" * 2**16] + [""] * 3000, dtype=h5py.string_dtype())
    raw = path.read_bytes()
    place = raw.index(struct.pack("<I", 2**16), raw.rindex(b"states\0\0"))
    change(path, place, raw[place : place + 16] * 3000)


def descriptor_of(path: Path, name: str) -> tuple[int, bytes]:
    with h5py.File(path) as file:
        place = file[name].id.get_offset()
    return place, path.read_bytes()[place : place + 16]


@attack
def text_longer_than_it_is(path, secret):
    place, _ = descriptor_of(path, f"{PLANE}/regions/label")
    change(path, place, struct.pack("<I", 2**31 - 1))


@attack
def text_shorter_than_it_is(path, secret):
    place, _ = descriptor_of(path, f"{PLANE}/regions/label")
    change(path, place, struct.pack("<I", 1))


@attack
def text_outside_of_its_heap(path, secret):
    place, _ = descriptor_of(path, f"{PLANE}/regions/label")
    change(path, place + 4, struct.pack("<Q", 96))


@attack
def a_heap_that_never_ends(path, secret):
    """An object of no size, which HDF5 would look at again and again."""
    _, descriptor = descriptor_of(path, f"{PLANE}/regions/label")
    (address,) = struct.unpack_from("<Q", descriptor, 4)
    change(path, address + 16, struct.pack("<HH4xQ", 0, 0, 0))


@attack
def control_characters(path, secret):
    with edited(path) as file:
        file.attrs["title"] = "\x1b[2Jnothing to see"


@attack
def control_characters_in_json(path, secret):
    with edited(path) as file:
        file.attrs["software"] = '{"bifur": "\\u001b[2J"}'


def with_attribute(path: Path, where: str, name: str, value: object) -> None:
    with edited(path) as file:
        file[where].attrs[name] = value


@attack
def deep_json(path, secret):
    with_attribute(path, "systems/l2", "parameters", "[" * 100_000)


@attack
def deep_json_objects(path, secret):
    with_attribute(path, PLANE, "fixed", '{"a":' * 30_000 + "1" + "}" * 30_000)


@attack
def huge_json(path, secret):
    with_attribute(path, PLANE, "stats", json.dumps({"a": "x" * 2**23}))


@attack
def infinite_json(path, secret):
    with_attribute(path, PLANE, "fixed", '{"rho": 1e999}')


@attack
def nan_json(path, secret):
    with_attribute(path, PLANE, "fixed", '{"rho": NaN}')


@attack
def long_number_in_json(path, secret):
    with_attribute(path, PLANE, "fixed", '{"rho": ' + "9" * 4000 + "}")


@attack
def json_of_another_kind(path, secret):
    with_attribute(path, "/", "software", "[1, 2]")


@attack
def spec_of_a_plane_that_runs_code(path, secret):
    """A plane of the spec that the file does not have, whose system is a Python file that tells the secret."""
    evil = path.with_name("evil.py")
    evil.write_text(f"open({str(path.with_name('ran'))!r}, 'w').close()\nraise ValueError({secret.read_text()!r})")
    with edited(path) as file:
        text = str(file.attrs["spec"])
        plane = text[text.index("[[plane]]") :].replace('name = "l2"', 'name = "more"')
        file.attrs["spec"] = text + plane.replace('system = "l2"', f'system = "{evil}"')


def respec(path: Path, old: str, new: str) -> None:
    with edited(path) as file:
        text = str(file.attrs["spec"])
        assert old in text
        file.attrs["spec"] = text.replace(old, new)


@attack
def spec_of_no_plane_that_is_there(path, secret):
    respec(path, 'name = "l2"', 'name = "l3"')


@attack
def spec_of_a_plane_with_slashes(path, secret):
    respec(path, 'name = "l2"', 'name = "../l2"')


@attack
def deep_spec(path, secret):
    respec(path, "fixed = {}", "fixed = " + "[" * 10_000)


@attack
def spec_with_a_long_key(path, secret):
    respec(path, "fixed = {}", "fixed" + ".a" * 200_000 + " = 1")


@attack
def huge_spec(path, secret):
    respec(path, "fixed = {}", "# " + "x" * 2**21)


@attack
def spec_with_infinite_numbers(path, secret):
    respec(path, "points = 9", "points = 1e999")


@attack
def spec_with_long_numbers(path, secret):
    respec(path, "span = [0.0, 2.0]", "span = [0.0, " + "9" * 400 + "]")


@attack
def spec_of_many_planes(path, secret):
    respec(path, "[[plane]]", "[[plane]]\n" * 5000)


# ---- expressions ------------------------------------------------------------------------


def expression(path: Path, text: str) -> None:
    with_attribute(path, "systems/l2", "expressions", json.dumps([text]))


@attack
def expression_that_runs_code(path, secret):
    expression(path, f"__import__('pathlib').Path({str(path.with_name('ran'))!r}).touch()")


@attack
def expression_with_attributes(path, secret):
    expression(path, "p.__class__.__mro__")


@attack
def power_of_powers(path, secret):
    expression(path, "9**9**9**9*p")


@attack
def powers_in_brackets(path, secret):
    expression(path, "p*" + "(" * 8 + "9" + "**64)" * 8)


@attack
def long_number_in_an_expression(path, secret):
    expression(path, "p*" + "9" * 5000)


@attack
def infinite_number_in_an_expression(path, secret):
    expression(path, "p*1e999")


@attack
def deep_expression(path, secret):
    expression(path, "(" * 5000 + "p" + ")" * 5000)


@attack
def deep_signs(path, secret):
    expression(path, "-" * 15_000 + "p")


@attack
def long_sum(path, secret):
    expression(path, "+".join(["p"] * 9000))


@attack
def long_expression(path, secret):
    expression(path, "p" + " " * 10**6)


@attack
def many_states(path, secret):
    with edited(path) as file:
        names = [f"x{i}" for i in range(5000)]
        file["systems/l2"].attrs["expressions"] = json.dumps(names)
        file["systems/l2"].attrs.create("states", names[:2000], dtype=h5py.string_dtype())


@attack
def definition_that_runs_code(path, secret):
    """It is for people only, and the system is broken, so that it would have to be asked."""
    with edited(path) as file:
        file["systems/l2"].attrs["definition"] = f"open({str(path.with_name('ran'))!r}, 'w').close()"
        del file["systems/l2"].attrs["expressions"]


# ---- the right kind of file with the wrong content ---------------------------------------


def content(path: Path, name: str, values: object) -> None:
    """Other values in a dataset, or in a new one of their shape and type."""
    with edited(path) as file:
        attributes = dict(file[name].attrs) if name in file else {}
        made = replaced(file, name, data=values)
        for key in ("long_name", "units"):
            if key in attributes:
                made.attrs[key] = attributes[key]


@attack
def kinds_that_there_are_not(path, secret):
    content(path, f"{MAPS}/kind", np.full((17, 9, 3), 77, np.int8))


@attack
def regions_that_there_are_not(path, secret):
    content(path, f"{MAPS}/region", np.full((17, 9), 30_000, np.int16))


@attack
def verdicts_that_there_are_not(path, secret):
    content(path, f"{MAPS}/completeness", np.full((17, 9), 9, np.int8))


@attack
def a_map_of_text(path, secret):
    content(path, f"{MAPS}/region", np.full((17, 9), b"secret"))


@attack
def a_map_of_floats(path, secret):
    content(path, f"{MAPS}/kind", np.zeros((17, 9, 3)))


@attack
def a_map_of_one_dimension(path, secret):
    content(path, f"{MAPS}/state", np.zeros(17))


@attack
def a_map_without_dimensions(path, secret):
    content(path, f"{MAPS}/state", np.float64(3))


@attack
def a_map_of_another_size(path, secret):
    content(path, f"{MAPS}/n_stable", np.zeros((9, 17), np.int16))


@attack
def maps_of_different_slots(path, secret):
    content(path, f"{MAPS}/kind", np.zeros((17, 9, 5), np.int8))


@attack
def a_map_that_is_a_group(path, secret):
    with edited(path) as file:
        del file[f"{MAPS}/rho"]
        file.create_group(f"{MAPS}/rho")


@attack
def an_axis_with_nan(path, secret):
    content(path, f"{MAPS}/rho", np.full(17, np.nan))


@attack
def an_axis_below_zero(path, secret):
    content(path, f"{MAPS}/rho", np.linspace(-1, 1, 17))


@attack
def an_axis_that_turns(path, secret):
    content(path, f"{MAPS}/sigma2", np.linspace(1, 0, 9))


@attack
def an_axis_of_text(path, secret):
    content(path, f"{MAPS}/sigma2", np.full(9, b"x"))


@attack
def an_axis_of_two_dimensions(path, secret):
    content(path, f"{MAPS}/sigma2", np.zeros((9, 2)))


@attack
def an_axis_of_another_length(path, secret):
    content(path, f"{MAPS}/sigma2", np.linspace(0, 1, 12))


@attack
def free_parameters_that_there_are_not(path, secret):
    with edited(path) as file:
        file[PLANE].attrs.create("free", ["../../systems", "rho"], dtype=h5py.string_dtype())


@attack
def one_free_parameter_twice(path, secret):
    with edited(path) as file:
        file[PLANE].attrs.create("free", ["rho", "rho"], dtype=h5py.string_dtype())


@attack
def attributes_of_other_types(path, secret):
    for name in ("title", "system", "fixed", "stats"):
        with_attribute(path, PLANE, name, np.arange(5.0))


@attack
def attributes_that_are_empty(path, secret):
    for name in ("title", "scales", "free"):
        with_attribute(path, PLANE, name, h5py.Empty("S10"))


@attack
def a_plane_of_no_system(path, secret):
    with_attribute(path, PLANE, "system", "../planes/l2")


@attack
def columns_of_different_lengths(path, secret):
    content(path, f"{PLANE}/regions/nodes", np.zeros(50, np.int64))


@attack
def a_curve_of_no_points(path, secret):
    for name, width in (("parameters", 2), ("state", 1)):
        content(path, f"{PLANE}/curves/LP-0/{name}", np.zeros((0, width)))


@attack
def a_curve_with_another_end(path, secret):
    with edited(path) as file:
        file[f"{PLANE}/curves/LP-0"].attrs.create("stop_reason", ["__class__", "x"], dtype=h5py.string_dtype())


@attack
def a_curve_without_a_number(path, secret):
    with edited(path) as file:
        file[f"{PLANE}/curves"].move("LP-0", "LP")


@attack
def branches_of_other_types(path, secret):
    content(path, f"{PLANE}/slices/0/branches/0/n_unstable", np.full(40, np.nan))


@attack
def landed_kinds_that_there_are_not(path, secret):
    content(path, f"{PLANE}/slices/0/landed/kind", np.array([-9], np.int8))


@attack
def a_newer_format(path, secret):
    with_attribute(path, "/", "format_version", "9" * 5000)


@attack
def a_format_in_other_digits(path, secret):
    with_attribute(path, "/", "format_version", "²")


# ---- what is no file ----------------------------------------------------------------------


@attack
def a_pipe(path, secret):
    path.unlink()
    os.mkfifo(path)


@attack
def a_folder(path, secret):
    path.unlink()
    path.mkdir()


@attack
def a_device(path, secret):
    path.unlink()
    path.symlink_to("/dev/zero")


@attack
def a_link_to_itself(path, secret):
    path.unlink()
    path.symlink_to(path)


@attack
def a_link_to_a_file_of_another_kind(path, secret):
    path.with_name("other.txt").write_text("no atlas\n" * 100)
    path.unlink()
    path.symlink_to("other.txt")


@attack
def a_block_before_the_file(path, secret):
    path.write_bytes(bytes(512) + path.read_bytes())


# ---- reading them -------------------------------------------------------------------------


def peak() -> int:
    """The largest memory of this process in bytes; what the system says of usage counts what it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(folder: str) -> None:
    """A line for each attack: name, what the scan said, what came of reading everything, seconds, memory in bytes."""

    from bifur.atlas import guard
    from tests.atlas import mutants

    for name in ATTACKS:
        path = Path(folder) / name / "atlas.h5"
        start = time.monotonic()
        try:
            guard.scan(path)
            scan = ""
        except ValueError as error:
            scan = str(error)
        outcome, told = mutants.judge(path)
        memory = peak()
        sys.stdout.write(json.dumps([name, scan, outcome, told, time.monotonic() - start, memory]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
