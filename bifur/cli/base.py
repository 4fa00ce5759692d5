"""What the commands share: errors in one sentence, `name=value` words, tables, progress."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bifur._say import unknown

if TYPE_CHECKING:
    from bifur.systems import System

DONE, NOT_AS_CLAIMED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class BuildFile(click.Path):
    """An atlas, which may be named by the folder of its unfinished build."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """The path of the atlas, which need not be there."""
        path = Path(os.fsdecode(value))
        if path.name.endswith(".parts"):
            from bifur.atlas import parts

            path = parts.named(path)
        return super().convert(path, parameter, context)


class AtlasFile(BuildFile):
    """An atlas, which is read in a trial process where it was not written here."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """The path, after its trial."""
        path = super().convert(value, parameter, context)
        file = Path(os.fsdecode(path))
        if (context is None or not context.resilient_parsing) and file.exists():
            from bifur.atlas.quarantine import scan_apart

            scan_apart(file)
        return path


class Share(click.ParamType):
    """`i/N`, counted from 1 as job arrays do."""

    name = "i/N"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, int]:
        """(i - 1, N)."""
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", str(value))
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r} is no share i/N with 1 <= i <= N, such as 1/4.", parameter, context)
        return int(match[1]) - 1, int(match[2])


FILE = click.Path(path_type=Path, dir_okay=False)
BUILD = BuildFile(path_type=Path, dir_okay=False)
ATLAS = AtlasFile(path_type=Path, dir_okay=False)
SHARE = Share()
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")

Report = Callable[[int, int, str], None]


class Commands(click.Group):
    """A group whose wrong usage and bad input end in one line on stderr and exit code 2."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command and leave with its exit code; `BIFUR_TRACEBACK=1` shows where an error came from."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, prog_name or "bifur", **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            code = WRONG_INPUT
        except click.ClickException as error:
            code = say(error.format_message())
        except (click.Abort, KeyboardInterrupt) as error:
            stop = error if isinstance(error, KeyboardInterrupt) else error.__cause__ or error.__context__
            say(str(stop) or "stopped; no file was changed, and the same command starts again")
            if getattr(stop, "at_once", False):
                os._exit(INTERRUPTED)  # threads in the middle of a tile would be waited for
            code = INTERRUPTED
        except (ValueError, OSError, ImportError) as error:
            if os.environ.get("BIFUR_TRACEBACK") or not _is_sentence(error):
                raise
            code = say(_sentence(error))
        sys.exit(code or DONE)


def say(sentence: str) -> int:
    """Print one line about wrong input to stderr."""
    click.echo("bifur: " + " ".join(sentence.split()), err=True)
    return WRONG_INPUT


def warn(sentence: str) -> None:
    """Print one line about what went wrong on the way."""
    click.echo("bifur: " + " ".join(sentence.split()), err=True)


_OPTIONS = {"overwrite": "--force", "out": "-o", "planes": "--plane"}
_OPTIONS |= {name: f"--{name}" for name in ("restart", "retry", "partial", "shard", "threads", "processes", "dask")}
_OPTIONS |= {name: f"--{name}" for name in ("rename", "rtol", "distance")}
_OPTIONS |= {name: f"--{name.replace('_', '-')}" for name in ("learning_rate", "momentum", "steps")}
_OPTIONS |= {name: f"--{name}" for name in ("cells", "optimiser", "prediction", "loss", "modes", "report")}
_OPTIONS |= {"regions": "--region"}


@contextmanager
def as_options() -> Iterator[None]:
    """Sentences that name arguments of Python in backticks, in the words of the command line."""
    try:
        yield
    except ValueError as error:
        said = str(error)
        for argument, option in _OPTIONS.items():
            said = said.replace(f"`{argument}`", option)
        raise ValueError(said) from None


def parts_exist(atlas: Path) -> bool:
    """Whether there is an unfinished build of this atlas."""
    from bifur.atlas import parts

    return parts.exists(atlas)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds as a clock has them."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _is_sentence(error: ValueError | OSError | ImportError) -> bool:
    """Whether it speaks to the user: what numba or numpy raise in our own code is a fault of ours, with a traceback."""
    if isinstance(error, OSError):
        return True
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "bifur":
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    home = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(home).partition(".")[0] in ("bifur", "bifur_gui")


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename is not None else ""
        return f"{name}{error.strerror}"
    return str(error) or type(error).__name__


# ---- words on the command line ----------------------------------------------------------


def announce_first_run() -> None:
    """Say on standard error why the first command takes so long."""
    from bifur import _cache

    if _cache.is_first_run():
        click.echo("bifur: compiling the kernels, which happens once and takes about half a minute", err=True)


def system_of(word: str) -> System:
    """A bundled system by its name, or the one in a user's `.py` file."""
    import bifur

    bundled = bifur.list_systems()
    if word in bundled:
        return bifur.get_system(word)
    if word.endswith((".h5", ".hdf5", ".toml")):
        raise ValueError(f"{word}: this is no system; give a bundled name ({', '.join(bundled)}) or a .py file")
    if word.endswith(".py") or "/" in word:
        return bifur.load_system(word)
    raise ValueError(f"{unknown('system', word, bundled)}; your own is given as a .py file")


def spans_of(option: str, words: Sequence[str], example: str = "p_h=-2:2") -> dict[str, tuple[float, float]]:
    """Spans of states from the STATE=LOW:HIGH words of an option.

    Raises
    ------
    ValueError
        A word is not of this form.
    """
    found = {}
    for word in words:
        name, _, pair = word.partition("=")
        low, colon, high = pair.partition(":")
        try:
            found[name] = float(low), float(high)
        except ValueError:
            colon = ""
        if not colon:
            raise ValueError(f"{option} {word!r} is not STATE=LOW:HIGH, as in {example}")
    return found


def parameters_of(system: System, words: Sequence[str]) -> dict[str, float]:
    """The parameters given as `name=value`, each checked by the system.

    Raises
    ------
    ValueError
        A word has no `=`, a name is unknown or given twice, or a value is not accepted.
    """
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            example = next(iter(system.parameters), "name")
            raise ValueError(f"{word!r} is not a parameter; write name=value, as in {example}=0.5")
        if name in given:
            raise ValueError(f"parameter `{name}` is given twice, as {given[name]} and as {value}")
        given[name] = value
    system.values(given)
    return {name: float(value) for name, value in given.items()}


def sibling(path: Path) -> Path:
    """A temporary name in the folder of `path`, for writing before a rename."""
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


# ---- output -----------------------------------------------------------------------------


def echo_json(value: Any) -> None:
    """Print `value` as strict JSON: what is not a finite number is null."""
    click.echo(json.dumps(_plain(value), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text under their headers, numbers as they come."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    lines = [headers, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def number(value: complex) -> str:
    """Six significant digits; a complex number as a+bi."""
    if isinstance(value, complex):
        return f"{value.real:.6g}" + (f"{value.imag:+.6g}i" if value.imag else "")
    return f"{value:.6g}"


# ---- progress ---------------------------------------------------------------------------


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A function of (done, total, message): a bar with the time left on a terminal, a few lines elsewhere."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), "{task.percentage:>3.0f} %", TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[message]}"))
    with Progress(*columns, *left, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, message="")

        def report(done: int, total: int, message: str) -> None:
            bar.update(task, completed=done, total=total, message=message)

        yield report


def _lines(title: str, parts: int = 8) -> Report:
    """Progress as lines, one for each eighth of the work."""
    start, shown = time.monotonic(), -1

    def report(done: int, total: int, message: str) -> None:
        nonlocal shown
        part = parts * done // total if total else 0
        if part > shown:
            shown = part
            seconds = time.monotonic() - start
            click.echo(f"{title}: {done} of {total} ({seconds:.0f} s) {message}".rstrip(), err=True)

    return report
