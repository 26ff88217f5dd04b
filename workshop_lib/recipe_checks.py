"""Knobs of a recipe that cannot be, or cannot be together, refused at once."""

__all__ = ["check_recipe"]

from typing import TYPE_CHECKING

from workshop_lib.errors import WorkshopError, unknown_name

if TYPE_CHECKING:
    from workshop_lib.recipe import Recipe

_AT_LEAST_ONE = ("size", "feature_views", "steps", "batch_size", "mu", "eval_every")


def check_recipe(recipe: "Recipe") -> None:
    """Refuse what no training could be made of.

    Raises:
        WorkshopError: the first knob, or pair of knobs, that is wrong.
    """
    for name in _AT_LEAST_ONE:
        if getattr(recipe, name) < 1:
            raise WorkshopError(
                f"{name}={getattr(recipe, name)} in the recipe: it must be at least 1."
            )
    for name in ("seed", "split_seed"):
        if not 0 <= getattr(recipe, name) < 2**32:
            raise WorkshopError(
                f"{name}={getattr(recipe, name)}: a seed is a whole number from 0 to"
                f" {2**32 - 1}."
            )
    if recipe.labels_per_class < 0:
        raise WorkshopError(
            f"labels_per_class={recipe.labels_per_class}: use 0 for all labels, or a"
            " number of labels per class."
        )
    if recipe.features and recipe.feature_size < 32:
        raise WorkshopError(
            f"feature_size={recipe.feature_size}: a backbone sees images of at least"
            " 32 pixels; 224 is what most were trained on."
        )
    if bool(recipe.features) != (recipe.model.split("-")[0] in ("linear", "mlp")):
        raise WorkshopError(
            f"model={recipe.model!r} with features={recipe.features!r}: on features"
            " train model='linear' or 'mlp-256', on pixels any other."
        )
    if recipe.propagation_steps and not recipe.features:
        raise WorkshopError(
            f"propagation_steps={recipe.propagation_steps} without features: labels"
            " flow between images whose pretrained features are alike; name a"
            " backbone, or use 0."
        )
    if recipe.modalities and recipe.features:
        raise WorkshopError(
            f"modalities={recipe.modalities} with features={recipe.features!r}: a"
            " frozen backbone reads pictures alone; leave one of the two out."
        )
    if recipe.task == "segment" and "cover" in recipe.modalities:
        raise WorkshopError(
            "modalities with 'cover' and task='segment': the land cover is what is"
            " to be found; leave it out."
        )
    if not 0 <= recipe.modality_dropout < 1:
        raise WorkshopError(
            f"modality_dropout={recipe.modality_dropout}: a chance from 0 to below 1;"
            " usual is 0.2."
        )
    if recipe.task not in ("classify", "segment"):
        raise unknown_name("task", recipe.task, ("classify", "segment"))
    maps = recipe.model.split("-")[0] in ("unet", "fcn")
    if maps != (recipe.task == "segment"):
        raise WorkshopError(
            f"model={recipe.model!r} with task={recipe.task!r}: to segment train"
            " model='unet-16' or 'fcn-resnet18', to classify any other."
        )
    if recipe.start_from and not recipe.model.startswith("fcn"):
        raise WorkshopError(
            f"start_from={recipe.start_from!r} with model={recipe.model!r}: only an fcn"
            " has the trunk of a classifier; use model='fcn-resnet18'."
        )
    for name in ("rare_classes", "cutmix"):
        if not 0 <= getattr(recipe, name) <= 1:
            raise WorkshopError(
                f"{name}={getattr(recipe, name)} in the recipe: give 0 to 1."
            )
    if recipe.micro_batch < 0 or recipe.micro_batch == 1:
        raise WorkshopError(
            f"micro_batch={recipe.micro_batch}: use 0 for the whole batch, or at"
            " least 2 images, whose spread batch normalisation can tell."
        )
    if not 0 <= recipe.threshold <= 1:
        raise WorkshopError(
            f"threshold={recipe.threshold}: a confidence lies between 0 and 1; usual"
            " values are 0.8 to 0.95."
        )
