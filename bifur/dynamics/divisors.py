"""What a field divides by: where one of these falls to zero the flow ends."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from bifur import _cache
from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

_KNOWN: WeakKeyDictionary[System, Divisors] = WeakKeyDictionary()
_lock = threading.Lock()
_FACTORS = {"*": 2, "neg": 1, "sqrt": 1, "/": 1, "**": 1}  # operators whose value is zero only where an operand is
_NEVER_ZERO = ("exp", "cosh")


@dataclass(frozen=True, eq=False)
class Divisors:
    """The divisors of a system that depend on its states, split into factors; often there are none."""

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    factors: tuple[expression.Expression, ...]

    def __len__(self) -> int:
        return len(self.factors)

    def values(self, u: Any, p: Any) -> NDArray[np.float64]:
        """(m, ...) at states u (n, ...) and parameters p (q,)."""
        named = dict(zip((*self.states, *self.parameters), (*u, *p), strict=True))
        with np.errstate(all="ignore"):
            found = expression.evaluate(self.factors, named, float, ops.apply)
        return np.array(np.broadcast_arrays(*found), dtype=np.float64) if found else np.empty((0, *np.shape(u[0])))

    @cached_property
    def callback(self) -> Any:
        """divisor(u, p, out), compiled for `kernels/follow.py`."""
        from bifur import _jit
        from bifur.kernels.types import VECTOR_CALLBACK

        code = self._code()
        path = _cache.FOLDER / "systems" / f"divisors_{_cache.sources_digest([], code)}.py"
        with _lock:
            return _jit.callback(VECTOR_CALLBACK)(_module(path, code).divisors)

    def _code(self) -> str:
        names = {name: expression.name(f"u{i}") for i, name in enumerate(self.states)}
        names |= {name: expression.name(f"p{k}") for k, name in enumerate(self.parameters)}
        factors = expression.evaluate(self.factors, names, expression.number, expression.call, _power)
        lines = [f"    u{i} = u[{i}]" for i in range(len(self.states))]
        lines += [f"    p{k} = p[{k}]" for k in range(len(self.parameters))]
        lines += [f"    out[{j}] = {expression.text(factor)}" for j, factor in enumerate(factors)]
        head = "from numpy import arctan as atan, cos, cosh, exp, log, sin, sinh, sqrt, tan, tanh"
        return "\n".join([head, "", "", "def divisors(u, p, out):", *lines, ""])


def divisors(system: System) -> Divisors:
    """Those of a system, found once."""
    found = _KNOWN.get(system)
    if found is None:
        found = _KNOWN[system] = Divisors(system.states, tuple(system.parameters), _factors(system))
    return found


def _factors(system: System) -> tuple[expression.Expression, ...]:
    depends: dict[int, bool] = {}
    found: list[expression.Expression] = []
    for node in expression.from_below(system.expressions, depends, expression.operands):
        inner = expression.operands(node)
        depends[id(node)] = (node.operator == "name" and node.arguments[0] in system.states) or any(
            depends[id(operand)] for operand in inner
        )
        if node.operator == "/":
            found.append(node.arguments[1])
        elif node.operator == "**" and _is_negative(node.arguments[1]):
            found.append(node.arguments[0])
    factors: dict[str, expression.Expression] = {}
    while found:
        node = found.pop()
        if not depends[id(node)] or node.operator in _NEVER_ZERO:
            continue
        if node.operator in _FACTORS:
            found += expression.operands(node)[: _FACTORS[node.operator]]
        else:
            factors[expression.text(node)] = node
    return tuple(factors.values())


def _is_negative(exponent: expression.Expression) -> bool:
    if exponent.operator == "neg":
        return not _is_negative(exponent.arguments[0])
    return exponent.operator == "number" and exponent.arguments[0] < 0


def _power(base: expression.Expression, exponent: int) -> expression.Expression:
    """A whole negative power of zero is an exception in numba; a quotient is infinite."""
    return base**exponent if exponent >= 0 else 1 / base**-exponent


def _module(path: Path, code: str) -> Any:
    """The generated file as a module: in the cache folder, where numba keeps what is compiled from it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(code)
        Path(temporary).replace(path)
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    return sys.modules[path.stem]


def lost(before: Sequence[float] | NDArray[np.float64], after: Sequence[float] | NDArray[np.float64]) -> float:
    """The largest share that a divisor lost, as `kernels/follow.py` has it."""
    with np.errstate(all="ignore"):
        share = 1.0 - np.asarray(after, float) / np.asarray(before, float)
    return float(np.where(np.isfinite(share), share, 1.0).max(initial=0.0))
