"""ben-ge-800: `python data_scripts/ben_ge.py get`, then check, split or info."""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "ben_ge", *sys.argv[1:]]))
