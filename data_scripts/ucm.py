"""UC Merced Land Use: `python data_scripts/ucm.py get`, then check, split or info."""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "ucm", *sys.argv[1:]]))
