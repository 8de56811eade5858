"""Run all benchmarks and print one table: ``make bench``, or ``python -m benchmarks start jl``."""

import sys
from importlib import import_module

from benchmarks.common import table

ALL = ("start", "live", "page", "jl", "hippo", "sgd", "ddpm", "ner", "similarity")


def main() -> None:
    """Run the named benchmarks, all by default."""
    names = sys.argv[1:] or ALL
    print(table([row for name in names for row in import_module(f"benchmarks.{name}").rows()]))


if __name__ == "__main__":
    main()
