"""What starting costs: `import bifur` and `bifur --help` beside `import numpy`, each in processes of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def milliseconds(*arguments: str) -> float:
    """Median wall-clock time of nine whole processes, less the time of an empty one."""

    def one(*words: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        return 1e3 * (time.perf_counter() - began)

    pairs = [(one(*arguments), one("-c", "")) for _ in range(9)]
    return statistics.median(total for total, _ in pairs) - statistics.median(empty for _, empty in pairs)


def main() -> None:
    numpy = milliseconds("-c", "import numpy")
    print(f"{'beyond starting Python':<44}{'ms':>9}{'x import numpy':>16}")
    for name, arguments in (
        ("import numpy", ("-c", "import numpy")),
        ("import bifur", ("-c", "import bifur")),
        ("bifur --help", ("-m", "bifur", "--help")),
        ("bifur.get_system('phinet')", ("-c", "import bifur; bifur.get_system('phinet')")),
        ("bifur equilibria phinet (compiled before)", ("-m", "bifur", "equilibria", "phinet")),
    ):
        value = milliseconds(*arguments)
        print(f"{name:<44}{value:>9.0f}{value / numpy:>16.2f}")


if __name__ == "__main__":
    main()
