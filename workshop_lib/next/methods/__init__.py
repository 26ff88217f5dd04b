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

from workshop_lib.next.methods.adamatch import AdaMatch
from workshop_lib.next.methods.base import Batch, Method, TrainingSize
from workshop_lib.next.methods.ccssl import CCSSL, CCSSLCoMatch
from workshop_lib.next.methods.comatch import CoMatch
from workshop_lib.next.methods.defixmatch import DeFixMatch
from workshop_lib.next.methods.fixmatch import FixMatch
from workshop_lib.next.methods.flexmatch import FlexMatch
from workshop_lib.next.methods.freematch import FreeMatch
from workshop_lib.next.methods.mean_teacher import MeanTeacher
from workshop_lib.next.methods.pseudo_label import PseudoLabel
from workshop_lib.next.methods.softmatch import SoftMatch
from workshop_lib.next.methods.supervised import Supervised
from workshop_lib.next.methods.uda import UDA

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
