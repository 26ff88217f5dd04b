"""The units by number: what each is called, and which checks it holds."""

__all__ = ["CHECKS", "CORE", "UNITS", "unit_of_check"]

UNITS = {
    "01": "Introduction",
    "02": "Data and splits",
    "03": "Augmentation",
    "04": "Training",
    "05": "Evaluation",
    "06": "Embeddings",
    "07": "Fusion",
    "08": "Segmentation",
}

# The workshop of two hours: whoever has done these is told of the certificate
CORE = ("01", "02", "03", "04", "05", "06")

# In the order in which a learner meets them
CHECKS = {
    "01": ("majority_accuracy", "convolve"),
    "02": ("count_labels", "draw_split", "detective"),
    "03": ("weak_view", "cutout"),
    "04": ("predict_memory", "pseudo_labels", "confidence_mask", "fixmatch_loss"),
    "05": ("top_k_accuracy", "cohens_kappa", "mean_and_interval"),
    "06": ("l2_normalize", "nearest_neighbours", "knn_accuracy"),
    "07": (
        "stack_modalities",
        "channel_statistics",
        "late_forward",
        "predict_parameters",
        "verdict",
    ),
    "08": (
        "times_seen",
        "head_parameters",
        "sum_scores",
        "window_starts",
        "mean_iou",
        "pixel_loss",
    ),
}


def unit_of_check(name: str) -> str:
    """Return the number of the unit that a check belongs to.

    Raises:
        KeyError: no unit lists it; a check without a unit would be missing from the
            table of progress.
    """
    for unit, names in CHECKS.items():
        if name in names:
            return unit
    raise KeyError(f"{name!r} is in no unit: add it to CHECKS in units.py")
