"""Text of a stranger's file under atheris, which looks for input that reaches new code.

    python -m tests.atlas.fuzz_text FOLDER -max_total_time=60       # FOLDER keeps what was found worth keeping

The first byte says what the rest is: the spec, JSON, what is said of a system, an expression. Whatever comes, the
answer is a value or a ValueError of one sentence; anything else ends the run with an exit code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bifur.atlas", "bifur.systems"]):
    from bifur.atlas import hdf, schema, spec_text
    from bifur.atlas.untrusted import parse_json, parse_toml
    from bifur.systems import expression
    from bifur.systems.registry import from_description, get_system
    from tests.atlas import synthetic

PATH = Path("atlas.h5")
SYSTEM = get_system("l2")
ATTRIBUTES = schema.system_attributes(SYSTEM)
JSON = [name for name, value in ATTRIBUTES.items() if isinstance(value, str) and value[:1] in "[{"]


def read_spec(text: str) -> None:
    """As `Atlas.spec` does."""
    table = parse_toml(text, "the spec")
    planes = table.get("plane", [])
    if isinstance(planes, list) and all(isinstance(plane, dict) and plane.get("name") == "l2" for plane in planes):
        with hdf.readable(PATH, "spec"):
            spec_text.from_table(table, Path(), {"l2": SYSTEM}).to_toml()


def read_system(text: str) -> None:
    """One attribute of a system replaced."""
    name, _, value = text.partition("\n")
    if name in ATTRIBUTES:
        value = value if isinstance(ATTRIBUTES[name], str) else value.split("\n")
        with hdf.readable(PATH, 'system "l2"'):
            from_description(schema.system_description("l2", {**ATTRIBUTES, name: value}))


READERS = (
    read_spec,
    lambda text: parse_json(text, dict, "it"),
    lambda text: parse_json(text, list, "it"),
    read_system,
    lambda text: expression.text(expression.parse(text, ("p", "rho"))),
)


def one(data: bytes) -> None:
    """One input."""
    if not data:
        return
    text = data[1:].decode("utf-8", "surrogateescape")
    try:
        READERS[data[0] % len(READERS)](text)
    except ValueError as error:
        if "\n" in str(error) or isinstance(error.__cause__, MemoryError):
            raise AssertionError(str(error)) from error


def write_seeds(folder: Path) -> None:
    """Genuine text of every kind."""
    seeds = [b"\0" + synthetic.spec().to_toml().encode(), b'\1{"a": [1, 2.5e3, null, "x"]}', b"\2[[1], {}]"]
    seeds += [b"\3" + f"{name}\n{ATTRIBUTES[name]}".encode() for name in JSON]
    seeds += [b"\3states\np", b"\3plane\nsigma2\nrho"]
    seeds += [b"\4" + text.encode() for text in (*SYSTEM.texts, "exp(p)**2/3 - -rho*1e-3", "p**(1/3)")]
    for index, seed in enumerate(seeds):
        (folder / f"seed-{index}").write_bytes(seed)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
    words = [
        "expressions",
        "parameters",
        "state_details",
        "symmetries",
        "bounds",
        "[[plane]]",
        "span",
        "fixed",
        "1e999",
    ]
    (Path(sys.argv[1]).parent / "words.txt").write_text("\n".join(json.dumps(word) for word in words))
    atheris.Setup([*sys.argv, f"-dict={Path(sys.argv[1]).parent / 'words.txt'}"], one)
    atheris.Fuzz()
