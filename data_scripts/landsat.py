"""Landsat-7 with a land-cover map: `python data_scripts/landsat.py get`, then check."""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "landsat", *sys.argv[1:]]))
