"""All equilibria in a box by branch and prune in ball arithmetic: slow, and independent of the compiled search.

A box is dropped where a component of the field, over the box or by its mean value form, cannot be zero. It is done
where the Krawczyk operator maps a box a little larger into its interior: then one equilibrium lies there. Else it is
cut (Neumaier 1990, Interval Methods for Systems of Equations, section 5.2). Nothing here rests on the C library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import flint
import numpy as np

from bifur.continuation.balls import Field, precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[np.float64]

BITS = 80
LARGER = 1.2
CUT = 0.4871
SMALL = 1e-10  # of the whole box
SHARPENED = 6


def ball_search(system: System, p: Vector, low: Vector, high: Vector, max_boxes: int) -> list[Vector] | None:
    """One state at each equilibrium in the box, every one proved and none missing; None where that stays open."""
    waiting = [(np.array(low, float), np.array(high, float))]
    unique: list[tuple[Vector, Vector]] = []  # boxes in which exactly one equilibrium lies
    images: list[tuple[Vector, Vector]] = []  # where in them it lies
    with precision(BITS):
        at = Field(system, p)
        for _ in range(max_boxes):
            if not waiting:
                return _inside(images, low, high)
            a, b = waiting.pop()
            if any(np.all(x <= a) and np.all(b <= y) for x, y in unique):
                continue
            answer = _look(at, a, b)
            if answer is None:
                continue
            middle, reach, image = answer
            if image is not None:
                # rounded to the inside of the box that was looked at
                least, most = np.nextafter(middle - reach, np.inf), np.nextafter(middle + reach, -np.inf)
                if np.all(image[0] > least) and np.all(image[1] < most):
                    _add(unique, images, (least, most), _sharpened(at, image))
                    if len(unique) != len(images):
                        return None
                    continue
                c, d = np.maximum(a, image[0]), np.minimum(b, image[1])
                if np.any(c > d):
                    continue
                if np.any(d - c < 0.7 * (b - a)):
                    waiting.append((c, d))
                    continue
            share = (b - a) / (high - low)
            if share.max() < SMALL:
                return None
            i = int(share.argmax())
            cut = a[i] + CUT * (b[i] - a[i])
            left, right = b.copy(), a.copy()
            left[i] = right[i] = cut
            waiting += [(a, left), (right, b)]
    return None


def _add(
    unique: list[tuple[Vector, Vector]],
    images: list[tuple[Vector, Vector]],
    box: tuple[Vector, Vector],
    image: tuple[Vector, Vector],
) -> None:
    """Keep a new equilibrium, not one that is known. One of which that is not certain leaves the lists uneven."""
    for (x, y), (c, d) in zip(unique, images, strict=False):
        if np.all(x <= image[0]) and np.all(image[1] <= y):
            return
        if not (np.any(image[0] > d) or np.any(image[1] < c)):
            unique.append(box)
            return
    unique.append(box)
    images.append(image)


def _sharpened(at: Field, image: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    """Where the one equilibrium of a box lies, by the operator over its own image, again and again."""
    a, b = image
    for _ in range(SHARPENED):
        answer = _look(at, a, b)
        if answer is None or answer[2] is None:
            break
        c, d = np.maximum(a, answer[2][0]), np.minimum(b, answer[2][1])
        if not np.all(c <= d):
            break
        a, b = c, d
    return a, b


def _look(at: Field, a: Vector, b: Vector) -> tuple[Vector, Vector, tuple[Vector, Vector] | None] | None:
    """None: no equilibrium between a and b; else middle and reach of a larger box, and its image where there is one."""
    n = at.n
    middle = 0.5 * (a + b)
    half = np.nextafter(np.maximum(b - middle, middle - a), np.inf)  # the middle is rounded, and so are its distances
    box = [flint.arb(float(m), float(r)) for m, r in zip(middle, half, strict=True)]
    f = at.field(box)
    if any(not f[i, 0].contains(0) for i in range(n)):
        return None
    reach = half * LARGER
    larger = [flint.arb(float(m), float(r)) for m, r in zip(middle, reach, strict=True)]
    J = at.jacobian(larger)
    if not all(entry.is_finite() for entry in J.entries()):
        return middle, reach, None
    fm = at.field([flint.arb(float(m)) for m in middle])
    offset = flint.arb_mat(n, 1, [flint.arb(0, float(r)) for r in half])
    mean = fm + J * offset
    if any(not mean[i, 0].contains(0) for i in range(n)):
        return None
    try:
        Y = np.linalg.inv(np.array([[float(J[i, j].mid()) for j in range(n)] for i in range(n)]))
    except np.linalg.LinAlgError:
        return middle, reach, None
    if not np.isfinite(Y).all():
        return middle, reach, None
    Yb = flint.arb_mat(Y.tolist())
    identity = flint.arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
    spread = (identity - Yb * J) * flint.arb_mat(n, 1, [flint.arb(0, float(r)) for r in reach]) - Yb * fm
    image = [flint.arb(float(m)) + spread[i, 0] for i, m in enumerate(middle)]
    if not all(entry.is_finite() for entry in image):
        return middle, reach, None
    lower = np.array([np.nextafter(float(x.lower()), -np.inf) for x in image])
    upper = np.array([np.nextafter(float(x.upper()), np.inf) for x in image])
    return middle, reach, (lower, upper)


def _inside(images: list[tuple[Vector, Vector]], low: Vector, high: Vector) -> list[Vector] | None:
    """The middles of those inside the box; None where one is on its rim."""
    found = []
    for c, d in images:
        if np.any(d < low) or np.any(c > high):
            continue
        if not (np.all(c >= low) and np.all(d <= high)):
            return None
        found.append(0.5 * (c + d))
    return found
