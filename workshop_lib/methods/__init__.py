"""Training algorithms, one per file; `METHODS` lists them by name."""

__all__ = [
    "CCSSL",
    "METHODS",
    "UDA",
    "AdaMatch",
    "Batch",
    "CCSSLCoMatch",
    "CoMatch",
    "DeFixMatch",
    "FixMatch",
    "FlexMatch",
    "FreeMatch",
    "MeanTeacher",
    "Method",
    "PseudoLabel",
    "SoftMatch",
    "Supervised",
    "TrainingSize",
]

from workshop_lib.methods.adamatch import AdaMatch
from workshop_lib.methods.base import Batch, Method, TrainingSize
from workshop_lib.methods.ccssl import CCSSL, CCSSLCoMatch
from workshop_lib.methods.comatch import CoMatch
from workshop_lib.methods.defixmatch import DeFixMatch
from workshop_lib.methods.fixmatch import FixMatch
from workshop_lib.methods.flexmatch import FlexMatch
from workshop_lib.methods.freematch import FreeMatch
from workshop_lib.methods.mean_teacher import MeanTeacher
from workshop_lib.methods.pseudo_label import PseudoLabel
from workshop_lib.methods.softmatch import SoftMatch
from workshop_lib.methods.supervised import Supervised
from workshop_lib.methods.uda import UDA

# Names for the command line and run folders, roughly in the order of publication. A
# method of one's own needs no entry: pass an instance to `train`.
METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "pseudo_label": PseudoLabel,
    "mean_teacher": MeanTeacher,
    "uda": UDA,
    "fixmatch": FixMatch,
    "flexmatch": FlexMatch,
    "adamatch": AdaMatch,
    "freematch": FreeMatch,
    "softmatch": SoftMatch,
    "defixmatch": DeFixMatch,
    "comatch": CoMatch,
    "ccssl": CCSSL,
    "ccssl_comatch": CCSSLCoMatch,
}
