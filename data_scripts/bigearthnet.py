"""BigEarthNet: `python data_scripts/bigearthnet.py info` before you get 117 GB.

That is version 2; version 1 goes by the name bigearthnet:v1:
`workshop data bigearthnet:v1 info`.
"""

import sys

from workshop_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "bigearthnet", *sys.argv[1:]]))
