"""Training algorithms: one file each, all on the protocol of `methods.protocol`."""

__all__ = [
    "METHODS",
    "PIXEL_METHODS",
    "CCSSL",
    "UDA",
    "AdaMatch",
    "Batch",
    "CCSSLCoMatch",
    "CoMatch",
    "DeFixMatch",
    "FixMatch",
    "FlexMatch",
    "FreeMatch",
    "LossTerms",
    "MeanTeacher",
    "Method",
    "PixelFixMatch",
    "PixelFreeMatch",
    "PixelMethod",
    "PixelSupervised",
    "PseudoLabel",
    "SoftMatch",
    "Supervised",
    "build_method",
    "projection_dim",
]

from workshop_lib.errors import unknown_name
from workshop_lib.methods.adamatch import AdaMatch
from workshop_lib.methods.ccssl import CCSSL
from workshop_lib.methods.ccssl_comatch import CCSSLCoMatch
from workshop_lib.methods.comatch import CoMatch
from workshop_lib.methods.defixmatch import DeFixMatch
from workshop_lib.methods.fixmatch import FixMatch
from workshop_lib.methods.flexmatch import FlexMatch
from workshop_lib.methods.freematch import FreeMatch
from workshop_lib.methods.mean_teacher import MeanTeacher
from workshop_lib.methods.pixel_fixmatch import PixelFixMatch
from workshop_lib.methods.pixel_freematch import PixelFreeMatch
from workshop_lib.methods.pixel_supervised import PixelMethod, PixelSupervised
from workshop_lib.methods.protocol import Batch, LossTerms, Method
from workshop_lib.methods.pseudo_label import PseudoLabel
from workshop_lib.methods.softmatch import SoftMatch
from workshop_lib.methods.supervised import Supervised
from workshop_lib.methods.uda import UDA
from workshop_lib.recipe import Recipe

# In the order in which they were thought of, more or less.
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
# The same ideas for maps: what these names mean with task="segment".
PIXEL_METHODS: dict[str, type[PixelMethod]] = {
    "supervised": PixelSupervised,
    "fixmatch": PixelFixMatch,
    "freematch": PixelFreeMatch,
}

_LABELED_VIEWS = ("weak", "strong")


def build_method(recipe: Recipe, num_classes: int) -> Method:
    """Build the method that a recipe names, with the knobs that it reads.

    Args:
        recipe: `task` and `method` pick the class, whose `knobs` say what else it
            reads.
        num_classes: K, known only once the data are.

    Raises:
        WorkshopError: unknown method or labeled view; lists the known ones.
    """
    if recipe.labeled_view not in _LABELED_VIEWS:
        raise unknown_name("labeled_view", recipe.labeled_view, _LABELED_VIEWS)
    known = PIXEL_METHODS if recipe.task == "segment" else METHODS
    if recipe.method not in known:
        kind = "method" if known is METHODS else "method for task='segment'"
        raise unknown_name(kind, recipe.method, known)
    return known[recipe.method].from_recipe(recipe, num_classes)


def projection_dim(recipe: Recipe) -> int:
    """Return the width of the projection head that a recipe's model gets.

    The recipe's own; where it leaves that open, what the method needs: 64 for those
    that compare embeddings, 0 (no head) for the others.

    Raises:
        WorkshopError: unknown method; lists the known ones.
    """
    if recipe.projection_dim is not None or recipe.task == "segment":
        return recipe.projection_dim or 0  # maps have no vector per image to project
    if recipe.method not in METHODS:
        raise unknown_name("method", recipe.method, METHODS)
    return METHODS[recipe.method].projection_dim
