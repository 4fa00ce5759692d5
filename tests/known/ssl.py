"""Closed forms and reference values of the bundled systems; a = 1 + sigma2.

The polynomials are typed from the fields by hand (Tian, Chen & Ganguli 2021, arXiv 2102.06810; Bao 2023, arXiv
2309.16109; Ishikawa et al. 2025, arXiv 2405.14650), not by the package's elimination. They are functions of exact
numbers, and their real roots are counted by python-flint.
"""

from __future__ import annotations

import flint
import numpy as np
from numpy.polynomial import Polynomial


def rational(value: float) -> flint.fmpq:
    return flint.fmpq(*float(value).as_integer_ratio())


# ---- l2 -------------------------------------------------------------------------------------


def l2_equilibria(sigma2: float, rho: float) -> np.ndarray:
    """p = 0 and p± = (1 ± sqrt(1 - 4 a rho)) / (2a); the small one without cancellation."""
    a = 1 + sigma2
    if 4 * a * rho >= 1:
        return np.array([0.0])
    large = (1 + np.sqrt(1 - 4 * a * rho)) / (2 * a)
    return np.array([0.0, rho / (a * large), large])


# ---- polynomials whose real roots are the equilibria other than the origin -------------------


def l2_polynomial(sigma2, rho):
    """a p^2 - p + rho."""
    return [rho, -1, 1 + sigma2]


ONE = flint.fmpq(1)


def cosine_polynomial(sigma2, rho, N_phi=ONE, N_psi=ONE, N_cross=ONE, p6=ONE):
    """q(p) = c p^5 + n p^2 - p + R with c = 2 p6 / N_psi^2, n = N_cross, R = rho a N_phi N_psi."""
    return [rho * (1 + sigma2) * N_phi * N_psi, -1, N_cross, 0, 0, 2 * p6 / N_psi**2]


def phinet_polynomial(sigma2, rho):
    a = 1 + sigma2
    return [
        -(rho**3), rho**2, -a * rho**2, 0, rho - 2 * a * rho**2, 2 * a * rho, -2 * a**2 * rho, 0, -(a**2) * rho, a**2,
        -(a**3),
    ]  # fmt: skip


def talk_polynomial(sigma2, rho):
    a = 1 + sigma2
    return [-(rho**3), rho**2, -a * rho**2, 0, rho, -a * rho, 0, 0, -a, 2 * a**2, -(a**3)]


POLYNOMIALS = {
    "l2": l2_polynomial,
    "cosine": cosine_polynomial,
    "phinet": phinet_polynomial,
    "phinet-talk": talk_polynomial,
}


def exact_polynomial(name: str, **parameters: float) -> flint.fmpq_poly:
    """At the exact values of the doubles."""
    return flint.fmpq_poly(
        [flint.fmpq(c) for c in POLYNOMIALS[name](**{k: rational(v) for k, v in parameters.items()})]
    )


def count(name: str, **parameters: float) -> int:
    """Number of equilibria, the origin included, by exact root isolation. For rho > 0 away from folds."""
    return 1 + sum(root.imag == 0 for root, _ in exact_polynomial(name, **parameters).complex_roots())


def folds(name: str, span: tuple[float, float], **parameters: float) -> list[float]:
    """All rho in the span at which two real roots of the polynomial merge: exactly, from its discriminant."""
    context = flint.fmpq_mpoly_ctx.get(("x", "r"), flint.Ordering.lex)
    x, r = context.gens()
    exact = {k: rational(v) for k, v in parameters.items()}
    coefficients = POLYNOMIALS[name](rho=r, **exact)
    polynomial = sum((context.constant(0) + c) * x**k for k, c in enumerate(coefficients))
    terms = polynomial.discriminant("x").to_dict()
    degree = max(e[1] for e in terms)
    discriminant = flint.fmpq_poly([terms.get((0, k), 0) for k in range(degree + 1)])
    candidates = sorted({float(root.real.mid()) for root, _ in discriminant.complex_roots() if root.imag == 0})
    found = []
    for value in candidates:
        if span[0] < value < span[1]:
            near = {**parameters, "rho": value}
            below, above = (count(name, **{**near, "rho": value * (1 + s * 1e-7)}) for s in (-1, 1))
            if below != above:  # otherwise a complex pair is double there
                found.append(value)
    return found


# ---- tables (folds: rho, then the state) ------------------------------------------------------

# N_phi, N_psi, N_cross, sigma2 -> rho, p
COSINE_FOLDS = {
    (1.0, 1.0, 1.0, 0.0): (0.21986992837207595, 0.3873915982765258),
    (2.0, 1.5, 0.8, 0.1): (0.08273725037372337, 0.4788959649237704),
    (1.0, 1.0, 0.0, 0.0): (0.4498730601522793, 0.5623413251903491),
}
# sigma2 -> (rho, p_h, p_g), state None where only rho is tabulated
PHINET_FOLDS = {
    0.0: (
        (0.002385609209397678, (-0.1906660866724794, -1.8697152931389127)),
        (0.43863930249925376, (0.6966300074022755, 0.5014765944630006)),
    ),
    0.5: (
        (0.0007209513807555604, (-0.12761619015295508, -1.8576594904414556)),
        (0.25585359015991643, (0.49728962347949685, 0.3538052888314393)),
    ),
    1.0: ((0.0003063116595199156, None), (0.17024699073015848, None)),
}
TALK_FOLDS = {
    0.0: (0.004509835756904642, 0.07630895377318875, 0.36887551288337533),
    0.5: (0.0013854230689904683, 0.021854111351561067, 0.2064971263549947),
    1.0: (0.0005922357225047512, 0.009122027078430421, 0.14188243235570677),
}
TALK_CUSP = (-0.423975632180146, 0.5768702223977)
# (sigma2, rho) -> (state, kind, digits)
PHINET_EQUILIBRIA = {
    (0.0, 1e-4): (
        ((-0.14104, -5.65985), "sink"),
        ((-0.04899, -1.11155), "saddle"),
        ((0.0, 0.0), "sink"),
        ((0.0001, 0.0), "saddle"),
        ((1.0, 0.9999), "sink"),
    ),
    (0.5, 0.1): (((0.0, 0.0), "sink"), ((0.11935, 0.01695), "saddle"), ((0.68507, 0.74703), "sink")),
}


def roots(coefficients) -> np.ndarray:
    """Real roots in double precision, for pictures of what to expect."""
    found = Polynomial(np.array(coefficients, float)).roots()
    return np.sort(found[abs(found.imag) < 1e-9].real)
