"""Arclength continuation: points per second, and the time of a complete diagram, beside two others in one run.

A point is an accepted step, converged to 1e-10, with eigenvalues and test functions. All three follow the same
branches of the same equations from the same equilibria, in steps of the same fixed length in the same units (the span
of the free parameter has length one; rho by its logarithm), and report CPU time, so that other work on the machine
counts little:

- `bifur`: `Tracer.both`, the results as numpy arrays included;
- a plain numpy loop (here, below): tangent predictor, Newton corrector, eigenvalues by numpy, determinant and trace as
  test functions;
- AUTO-07p where it is installed (Debian: `apt install auto-07p gfortran`): the compiled executable with its own output
  to fort.7, without its compilation.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bifur
from bifur.continuation.equilibria import find_equilibria, state_bounds
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import Tracer

STEP = 1e-4
TOLERANCE = 1e-10
NUMPY_POINTS = 400
REPEATS = 7


@dataclass(frozen=True)
class Problem:
    """One diagram, for all three; `fortran` holds F and its derivatives with R the free parameter."""

    title: str
    system: bifur.System
    fixed: dict[str, float]
    free: str
    span: tuple[float, float]
    log: bool
    fortran: str

    def starts(self) -> list[np.ndarray]:
        """The equilibria at the low end of the span."""
        given = {**self.fixed, self.free: self.span[0]}
        return [e.state for e in find_equilibria(self.system, given)]

    def parameter(self, s: float) -> float:
        """The free parameter at s in [0, 1]."""
        low, high = self.span
        return float(low * (high / low) ** s) if self.log else low + s * (high - low)

    def slope(self, s: float) -> float:
        """d parameter / ds."""
        low, high = self.span
        return self.parameter(s) * float(np.log(high / low)) if self.log else high - low


L2 = """
F(1) = U(1)**2*(1 - A*U(1)) - R*U(1)
DFDU(1,1) = 2*U(1) - 3*A*U(1)**2 - R
DFDP(1,1) = -U(1)*DR
"""
PHINET = """
F(1) = ((1 + U(2)) - A*(1 + U(2)**2)*U(1))*U(1)**2 - R*U(1)
F(2) = (1 - A*U(2)*U(1))*U(1)**3 - R*U(2)
DFDU(1,1) = 2*(1 + U(2))*U(1) - 3*A*(1 + U(2)**2)*U(1)**2 - R
DFDU(1,2) = (1 - 2*A*U(2)*U(1))*U(1)**2
DFDU(2,1) = 3*U(1)**2 - 4*A*U(2)*U(1)**3
DFDU(2,2) = -A*U(1)**4 - R
DFDP(1,1) = -U(1)*DR
DFDP(2,1) = -U(2)*DR
"""
LORENZ84 = """
F(1) = -U(2)**2 - U(3)**2 - 0.25D0*U(1) + 0.25D0*R - 0.987D0*U(4)**2
F(2) = U(1)*U(2) - U(1)*U(3) - U(2) + 0.25D0
F(3) = U(1)*U(2) + U(1)*U(3) - U(3)
F(4) = -1.04D0*U(4) + 0.987D0*U(4)*U(1) + 0.04D0
DFDU = 0
DFDU(1,1) = -0.25D0
DFDU(1,2) = -2*U(2)
DFDU(1,3) = -2*U(3)
DFDU(1,4) = -2*0.987D0*U(4)
DFDU(2,1) = U(2) - U(3)
DFDU(2,2) = U(1) - 1
DFDU(2,3) = -U(1)
DFDU(3,1) = U(2) + U(3)
DFDU(3,2) = U(1)
DFDU(3,3) = U(1) - 1
DFDU(4,1) = 0.987D0*U(4)
DFDU(4,4) = -1.04D0 + 0.987D0*U(1)
DFDP(1:4,1) = 0
DFDP(1,1) = 0.25D0*DR
"""


def problems() -> list[Problem]:
    """l2, phinet and Lorenz-84."""
    file = Path(__file__).parents[1] / "data" / "systems" / "lorenz84.py"
    rho = {"free": "rho", "span": (1e-5, 1.0), "log": True}
    return [
        Problem("l2", bifur.get_system("l2"), {"sigma2": 0.5}, fortran=L2, **rho),
        Problem("phinet", bifur.get_system("phinet"), {"sigma2": 0.5}, fortran=PHINET, **rho),
        Problem("Lorenz-84", bifur.load_system(file), {"T": 0.04}, "F", (1.0, 3.0), False, LORENZ84),
    ]


def cpu(call: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the CPU seconds of this process."""
    began = time.process_time()
    result = call()
    return result, time.process_time() - began


# ---- bifur --------------------------------------------------------------------------------------


def engine(problem: Problem) -> tuple[int, float]:
    """Points and CPU seconds of all branches through the starts."""
    settings = Settings(ds=STEP, ds_max=STEP, max_steps=200_000, scale="log" if problem.log else "linear")
    p = problem.system.values({**problem.fixed, problem.free: problem.span[0]})
    box = state_bounds(problem.system, None)
    tracer = Tracer(problem.system, p, problem.free, problem.span, box, np.empty(0), settings)

    def all_branches() -> int:
        pieces = [tracer.both(state, problem.span[0]) for state in problem.starts()]
        return sum(len(piece.branch) for piece in pieces if piece)

    all_branches()
    return min((cpu(all_branches) for _ in range(3)), key=lambda found: found[1])


# ---- numpy --------------------------------------------------------------------------------------


def plain(problem: Problem) -> tuple[int, float]:
    """Points and CPU seconds of the loop that anyone would write in numpy first."""
    points, seconds = 0, 0.0
    for state in problem.starts():
        found, took = cpu(lambda state=state: _loop(problem, state))
        points, seconds = points + found, seconds + took
    return points, seconds


def _extended(problem: Problem, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f and [J f_s] at z = (u, s), from the generated functions of the system."""
    n, system = problem.system.dimension, problem.system
    given = {**problem.fixed, problem.free: problem.parameter(z[-1])}
    p = system.values(given)
    f, J, Fp = np.empty(n), np.empty((n, n)), np.empty((n, len(p)))
    system.derived.module.field(z[:-1], p, f)
    system.derived.module.jacobian(z[:-1], p, J)
    system.derived.module.parameter_jacobian(z[:-1], p, Fp)
    along = Fp[:, list(system.parameters).index(problem.free)] * problem.slope(z[-1])
    return f, np.column_stack([J, along])


def _loop(problem: Problem, state: np.ndarray) -> int:
    n = problem.system.dimension
    z, t = np.append(state, 0.0), np.append(np.zeros(n), 1.0)
    points = folds = pairs = 0
    before = None
    while 0 <= z[-1] <= 1 and points < NUMPY_POINTS:
        guess = z + STEP * t
        for _ in range(6):
            f, H = _extended(problem, guess)
            change = np.linalg.solve(np.vstack([H, t]), -np.append(f, t @ (guess - z) - STEP))
            guess = guess + change
            if np.abs(change).max() <= TOLERANCE * (1 + np.abs(guess).max()):
                break
        else:
            return points
        _, H = _extended(problem, guess)
        t = np.linalg.solve(np.vstack([H, t]), np.append(np.zeros(n), 1.0))
        t /= np.linalg.norm(t)
        eigenvalues = np.linalg.eigvals(H[:, :n])
        now = np.linalg.det(H[:, :n]), (eigenvalues.real > 0).sum()
        if before is not None:
            folds += now[0] * before[0] < 0
            pairs += abs(now[1] - before[1]) == 2
        z, before, points = guess, now, points + 1
    return points


# ---- AUTO-07p -----------------------------------------------------------------------------------

SOURCE = """
SUBROUTINE FUNC(NDIM,U,ICP,PAR,IJAC,F,DFDU,DFDP)
IMPLICIT NONE
INTEGER, INTENT(IN) :: NDIM, ICP(*), IJAC
DOUBLE PRECISION, INTENT(IN) :: U(NDIM), PAR(*)
DOUBLE PRECISION, INTENT(OUT) :: F(NDIM)
DOUBLE PRECISION, INTENT(INOUT) :: DFDU(NDIM,NDIM), DFDP(NDIM,*)
DOUBLE PRECISION, PARAMETER :: A = 1.5D0
DOUBLE PRECISION R, DR
{parameter}
{field}
END SUBROUTINE FUNC
SUBROUTINE STPNT(NDIM,U,PAR,T)
IMPLICIT NONE
INTEGER, INTENT(IN) :: NDIM
DOUBLE PRECISION, INTENT(INOUT) :: U(NDIM), PAR(*)
DOUBLE PRECISION, INTENT(IN) :: T
OPEN(77, FILE='start')
READ(77,*) PAR(1), U
CLOSE(77)
END SUBROUTINE STPNT
SUBROUTINE BCND
END SUBROUTINE BCND
SUBROUTINE ICND
END SUBROUTINE ICND
SUBROUTINE FOPT
END SUBROUTINE FOPT
SUBROUTINE PVLS
END SUBROUTINE PVLS
"""
CONSTANTS = """
NDIM={n}, IPS=1, IRS=0, ILP=1
ICP=[1]
NTST=1, NCOL=4, IAD=0, ISP=2, ISW=1, IPLT=0, NBC=0, NINT=0
NMX=1000000, NPR=0, MXBF=0, IID=0, ITMX=9, ITNW=7, NWTN=3, JAC=1
EPSL=1e-10, EPSU=1e-10, EPSS=1e-10
DS={ds}, DSMIN=1e-10, DSMAX={ds_max}, IADS=1
RL0=0.0, RL1=1.0, A0=-1e9, A1=1e9
NPAR=1
"""


class Auto:
    """AUTO-07p on one problem, in a folder of its own; s = PAR(1) runs from 0 to 1."""

    def __init__(self, problem: Problem, library: Path, folder: Path) -> None:
        self.problem, self.folder = problem, folder
        low, high = (f"{end!r}".replace("e", "D") if "e" in f"{end!r}" else f"{end!r}D0" for end in problem.span)
        if problem.log:
            parameter = f"R = {low}*EXP(PAR(1)*LOG({high}/{low}))\nDR = R*LOG({high}/{low})"
        else:
            parameter = f"R = {low} + PAR(1)*({high} - {low})\nDR = {high} - {low}"
        source = SOURCE.format(parameter=parameter, field=problem.fortran)
        (folder / "problem.f90").write_text(source, encoding="ascii")
        objects = sorted(map(str, library.glob("*.o")))
        subprocess.run(
            ["gfortran", "-O2", "-fopenmp", "-w", "problem.f90", *objects, "-o", "problem"], cwd=folder, check=True
        )

    def run(self, state: Sequence[float], ds: float, ds_max: float, s: float = 0.0) -> tuple[int, float, list[float]]:
        """Points, CPU seconds and the folds of the branch from a start at s = 0, or at s = 1 with a negative ds."""
        (self.folder / "start").write_text(" ".join(map(repr, [s, *map(float, state)])), encoding="ascii")
        constants = CONSTANTS.format(n=len(state), ds=ds, ds_max=ds_max)
        (self.folder / "fort.2").write_text(constants, encoding="ascii")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["./problem"], cwd=self.folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows = [line.split() for line in (self.folder / "fort.7").read_text(encoding="ascii").splitlines()]
        rows = [row for row in rows if row and re.fullmatch(r"-?[1-9]\d*", row[0])]  # those of headers begin with 0
        return len(rows), seconds, [self.problem.parameter(float(row[4])) for row in rows if row[2] == "2"]


def auto_library() -> tuple[Path | None, str]:
    """Where AUTO's objects lie, or why it does not run."""
    command = shutil.which("auto-07p") or shutil.which("auto")
    if command is None:
        return None, "AUTO-07p is not installed (Debian: apt install auto-07p gfortran)"
    if shutil.which("gfortran") is None:
        return None, "AUTO-07p needs gfortran"
    found = [path for path in Path(command).resolve().parents[1].glob("lib*/auto*/lib") if any(path.glob("*.o"))]
    return (found[0], "") if found else (None, f"the objects of {command} were not found")


# ---- tables -------------------------------------------------------------------------------------


def rates(autos: dict[str, Auto]) -> None:
    """Points per second."""
    print(f"steps of {STEP:g}; points per CPU second, one core")
    print(f"{'':<12}{'points':>10}{'bifur':>12}{'numpy loop':>12}{'AUTO-07p':>12}{'to numpy':>10}{'to AUTO':>10}")
    for problem in problems():
        points, seconds = engine(problem)
        few, slow = plain(problem)
        rate, loop = points / seconds, few / slow
        line = f"{problem.title:<12}{points:>10,}{rate:>12,.0f}{loop:>12,.0f}"
        if problem.title in autos:
            runs = [autos[problem.title].run(state, STEP, STEP) for state in problem.starts()]
            theirs = sum(run[0] for run in runs) / sum(run[1] for run in runs)
            print(line + f"{theirs:>12,.0f}{rate / loop:>10,.0f}{rate / theirs:>10,.1f}")
        else:
            print(line + f"{'-':>12}{rate / loop:>10,.0f}{'-':>10}")


def complete(autos: dict[str, Auto]) -> None:
    """The time of a complete diagram, and how far its folds are from those of exact algebra."""
    from bifur.continuation.exact import critical_values

    print("\ncomplete diagrams: all branches found, special points and normal forms included; default steps; CPU ms")
    columns = ("branches", "points", "ms", "folds to", "AUTO: points", "ms", "folds to", "ratio")
    print(f"{'':<12}" + "".join(f"{column:>{_width(column)}}" for column in columns))
    for problem in problems():
        settings = Settings(scale="log" if problem.log else "linear")
        times, diagram = [], None
        for _ in range(REPEATS):
            diagram, seconds = cpu(
                lambda problem=problem, settings=settings: bifur.trace(
                    problem.system, problem.fixed, free=problem.free, span=problem.span, settings=settings
                )
            )
            times.append(seconds)
        p = problem.system.values({**problem.fixed, problem.free: problem.span[0]})
        index = list(problem.system.parameters).index(problem.free)
        box = state_bounds(problem.system, None)
        exact = np.array(critical_values(problem.system.derived, p, index, problem.span, *box))
        ours = [q.parameters[problem.free] for q in diagram.special_points if q.kind == "LP"]
        points = sum(map(len, diagram.branches))
        line = f"{problem.title:<12}{len(diagram.branches):>10}{points:>10,}{1e3 * min(times):>10.2f}"
        line += f"{_furthest(ours, exact):>12.0e}"
        if problem.title in autos:
            starts = _one_end_of_each(diagram, problem)
            runs = [
                [autos[problem.title].run(state, (1 - 2 * s) * settings.ds, settings.ds_max, s) for state, s in starts]
                for _ in range(REPEATS)
            ]
            theirs = [fold for run in runs[0] for fold in run[2]]
            least = min(sum(run[1] for run in branches) for branches in runs)
            total = sum(run[0] for run in runs[0])
            line += f"{total:>14,}{1e3 * least:>10.2f}{_furthest(theirs, exact):>12.0e}{least / min(times):>10.1f}"
        print(line)
    print("AUTO is given one end of each branch at an end of the span, and runs once for each;")
    print("its start as a process and the reading and writing of its files are in its time.")


def _width(column: str) -> int:
    return {"folds to": 12, "AUTO: points": 14}.get(column, 10)


def _furthest(folds: Sequence[float], exact: np.ndarray) -> float:
    """Largest relative distance of a fold from the nearest exact one."""
    return max((float(np.min(np.abs(exact / fold - 1))) for fold in folds), default=float("nan"))


def _one_end_of_each(diagram: bifur.Diagram, problem: Problem) -> list[tuple[np.ndarray, float]]:
    """A start at an end of the span for each branch that reaches one: (state, s)."""
    found = []
    for branch in diagram.branches:
        ends = [
            (branch.state[i], s)
            for s, limit in enumerate(problem.span)
            for i in (0, -1)
            if abs(branch.parameter[i] / limit - 1) < 1e-9
        ]
        found += ends[:1]
    return found


def main() -> None:
    library, why = auto_library()
    if library is None:
        print(why)
    with tempfile.TemporaryDirectory() as folder:
        autos = {}
        for problem in problems() if library else ():
            own = Path(folder) / problem.title
            own.mkdir()
            autos[problem.title] = Auto(problem, library, own)
        rates(autos)
        complete(autos)


if __name__ == "__main__":
    main()
