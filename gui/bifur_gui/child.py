"""A long job in a process of its own: `python -m bifur_gui.child`, started and stopped by `jobs.py`. No Qt.

The request is one line of JSON on the standard input; the line `stop`, or its end, is what Ctrl-C is elsewhere, so that
a job does not outlive the window. What happens is told on the standard output, one line of JSON each:

    {"event": "progress", "done": 3, "total": 8, "message": "phinet"}    {"event": "failure", "sentence": "..."}
    {"event": "done" | "stopped" | "failed", "sentence": "..."}          the last one
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

Tell = Callable[..., None]
EVERY = 0.1  # seconds between two reports, at least
NICE = 10  # the window comes first


def main() -> int:
    """Do what the first line asks for."""
    words, told = _take_streams()
    lock = threading.Lock()

    def tell(event: str, **more: Any) -> None:
        with lock, suppress(OSError, ValueError):  # the window is gone: `stop` follows
            told.write(json.dumps({"event": event, **more}) + "\n")
            told.flush()

    request = json.loads(words.readline() or "{}")
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=_listen, args=(words,), daemon=True).start()
    try:
        sentence = _JOBS[request["job"]](request, tell)
    except KeyboardInterrupt as stop:
        tell("stopped", sentence=" ".join(str(stop).split()))
        if getattr(stop, "at_once", False):
            told.flush()
            os._exit(130)  # threads in the middle of a tile would be waited for
        return 130
    except (ValueError, OSError, ImportError) as error:
        tell("failed", sentence=" ".join(str(error).split()) or type(error).__name__)
        return 2
    tell("done", sentence=sentence)
    return 0


def _take_streams() -> tuple[IO[str], IO[str]]:
    """The standard streams for the two of us alone: what else is printed goes to the standard error."""
    words, told = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return words, told


def _listen(words: IO[str]) -> None:
    """Ctrl-C for the main thread at every `stop`, and at the end."""
    for line in words:
        if line.strip() == "stop":
            _interrupt()
    _interrupt()


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes it where it waits
        with suppress(ProcessLookupError):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _reports(tell: Tell) -> Callable[[int, int, str], None]:
    """Progress as it is told: not too often, but always when another message comes."""
    last, said = -EVERY, ""

    def report(done: int, total: int, message: str) -> None:
        nonlocal last, said
        now = time.monotonic()
        if message != said or done >= total or now >= last + EVERY:
            last, said = now, message
            tell("progress", done=int(done), total=int(total), message=message)

    return report


def _build(request: Mapping[str, Any], tell: Tell) -> str:
    import bifur
    from bifur.atlas.spec import AtlasSpec
    from bifur.systems.registry import from_description

    systems = {plane: from_description(about) for plane, about in request["systems"].items()}
    spec = AtlasSpec.from_toml(request["spec"], systems)
    path = Path(request["path"])
    with bifur.build_atlas(
        spec,
        path,
        progress=_reports(tell),
        retry=bool(request.get("retry")),
        on_failure=lambda failure: tell("failure", sentence=str(failure)),
    ) as atlas:
        planes = ", ".join(atlas.planes)
    return f"{path.name} is built ({planes})"


def _validate(request: Mapping[str, Any], tell: Tell) -> str:
    import bifur

    options = {key: request[key] for key in ("cells", "seeds", "rng", "regions", "window") if request.get(key)}
    try:
        result = bifur.validate(request["path"], request["plane"], progress=_reports(tell), **options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same validation goes on from where it was") from None
    return f"{request['plane']}: training did as predicted in {result.agreement}"


_JOBS: dict[str, Callable[[Mapping[str, Any], Tell], str]] = {"build": _build, "validate": _validate}

if __name__ == "__main__":
    sys.exit(main())
