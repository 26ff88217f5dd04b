"""ISPRS Vaihingen: `python data_scripts/vaihingen.py get` says how to ask for it."""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "vaihingen", *sys.argv[1:]]))
