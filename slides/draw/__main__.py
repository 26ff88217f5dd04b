"""Draws the figures of the decks.

    python -m slides.draw               all figures, from slides/data and MiniEO
    python -m slides.draw 4 5           those of units 04 and 05
    python -m slides.draw --measure     slides/data first, from the trainings

With --measure what is not trained yet is trained: a quarter of an hour on two cores.
Units 07 and 08 read what benchmarks.fusion, benchmarks.segmentation and
benchmarks.landsat have trained, and say which of them is missing.
"""

import argparse
import sys

from slides.draw.kit import units, write_data, write_figures
from workshop_lib.errors import WorkshopError


def main() -> None:
    """Write what the command line asks for."""
    all_units = units()
    parser = argparse.ArgumentParser(
        prog="python -m slides.draw",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "units", nargs="*", type=int, help=f"of {', '.join(map(str, all_units))}"
    )
    parser.add_argument("--measure", action="store_true", help="slides/data first")
    wanted = parser.parse_args()
    if unknown := set(wanted.units) - set(all_units):
        parser.error(f"no unit {unknown.pop()}: there are {[*all_units]}")
    for number in wanted.units or all_units:
        unit = all_units[number]
        for path in write_data(unit) if wanted.measure else []:
            print(f"{path.parent.name}/{path.name}")
        for path in write_figures(unit):
            print(f"{path.parent.name}/{path.name}")


if __name__ == "__main__":
    try:
        main()
    except WorkshopError as error:
        sys.exit(str(error))
