"""MiniEO, made on this machine: `python data_scripts/mini_eo.py info`."""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "mini_eo", *sys.argv[1:]]))
