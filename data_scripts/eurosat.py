"""EuroSAT, RGB: `python data_scripts/eurosat.py get`, then check, split or info.

The versions with 13 bands go by the names eurosat:bands (2 GB) and eurosat:100 (100
images): `workshop data eurosat:100 get`.
"""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "eurosat", *sys.argv[1:]]))
