"""exp, log, sqrt, ... for a definition: floats, arrays, complex numbers, sympy, mpmath and torch alike."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bifur.systems import expression

_NUMPY = {"atan": "arctan"}


def apply(function: str, value: Any) -> Any:
    """Apply `function` in the arithmetic that `value` belongs to."""
    if isinstance(value, expression.Expression):
        return expression.call(function, value)
    home = type(value).__module__.partition(".")[0]
    if home == "flint":
        return getattr(value, function)()
    if home in ("sympy", "torch", "mpmath"):
        return getattr(importlib.import_module(home), function)(value)
    return getattr(np, _NUMPY.get(function, function))(value)


def _make(function: str) -> Callable[[Any], Any]:
    def operation(value: Any) -> Any:
        return apply(function, value)

    operation.__name__ = operation.__qualname__ = function
    operation.__doc__ = f"{function} of a number, array, tensor or symbol."
    return operation


exp, log, sqrt, sin, cos, tan, sinh, cosh, tanh, atan = (_make(function) for function in expression.FUNCTIONS)

__all__ = [*expression.FUNCTIONS]
