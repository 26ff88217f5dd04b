"""Training algorithms: one file each, all on the protocol of `methods.protocol`."""

__all__ = [
    "METHODS",
    "Batch",
    "FixMatch",
    "LossTerms",
    "Method",
    "Supervised",
    "build_method",
]

from workshop_lib.errors import unknown_name
from workshop_lib.methods.fixmatch import FixMatch
from workshop_lib.methods.protocol import Batch, LossTerms, Method
from workshop_lib.methods.supervised import Supervised
from workshop_lib.recipe import Recipe

METHODS: dict[str, type[Method]] = {"fixmatch": FixMatch, "supervised": Supervised}

_LABELED_VIEWS = ("weak", "strong")


def build_method(recipe: Recipe, num_classes: int) -> Method:
    """Build the method that a recipe names, with the knobs that it reads.

    Args:
        recipe: `method` picks the class; the other knobs of its "method" group are
            handed on.
        num_classes: K, known only once the data are.

    Raises:
        WorkshopError: unknown method or labeled view; lists the known ones.
    """
    if recipe.labeled_view not in _LABELED_VIEWS:
        raise unknown_name("labeled_view", recipe.labeled_view, _LABELED_VIEWS)
    match recipe.method:
        case "supervised":
            return Supervised(labeled_view=recipe.labeled_view)
        case "fixmatch":
            return FixMatch(
                num_classes=num_classes,
                labeled_view=recipe.labeled_view,
                threshold=recipe.threshold,
                alignment=recipe.alignment,
                temperature=recipe.temperature,
                lambda_u=recipe.lambda_u,
                joint_forward=recipe.joint_forward,
            )
        case _:
            raise unknown_name("method", recipe.method, METHODS)
