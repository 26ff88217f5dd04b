"""Training algorithms; `METHODS` lists them by name."""

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
    "SimCLR",
    "SoftMatch",
    "Spatiotemporal",
    "Supervised",
    "TrainingSize",
]

from workshop_lib.methods.adaptive_thresholds import AdaMatch, FlexMatch
from workshop_lib.methods.base import Batch, Method, TrainingSize
from workshop_lib.methods.classic import UDA, MeanTeacher, PseudoLabel, Supervised
from workshop_lib.methods.contrastive import CCSSL, CCSSLCoMatch, CoMatch
from workshop_lib.methods.fixmatch import DeFixMatch, FixMatch
from workshop_lib.methods.running_confidence import FreeMatch, SoftMatch
from workshop_lib.methods.simclr import SimCLR
from workshop_lib.methods.spatiotemporal import Spatiotemporal

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
    "spatiotemporal": Spatiotemporal,  # over one of four of these
    "simclr": SimCLR,  # self-supervised: sees no label
}
