"""Basin pictures of full size against the integration of every node."""

from __future__ import annotations

import pytest

import bifur
from bifur.dynamics.basins import find_basins
from tests.dynamics.test_basins import WINDOW, away, brute

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("sigma2", "rho"), [(0.0, 1e-4), (0.5, 1e-4), (0.0, 2.3e-3)])
def test_phinet_at_full_size(sigma2, rho):
    """All nodes farther than one cell from the separatrix, and all others too but where rounding decides."""
    system = bifur.get_system("phinet")
    basins = find_basins(system, WINDOW, 512, sigma2=sigma2, rho=rho)
    agree = basins.label == brute(system, basins, sigma2=sigma2, rho=rho)
    assert agree[away(basins)].all()
    assert agree.mean() > 1 - 1e-5
