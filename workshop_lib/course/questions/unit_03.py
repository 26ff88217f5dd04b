"""Questions on unit 03: augmentation."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "03-nadir": Question(
        text="Which change of an image taken straight from above keeps the label"
        " exactly, without blurring anything?",
        choices=(
            "A turn by 90 degrees, or a mirror image",
            "A turn by 30 degrees",
            "Exchanging the red and the near infrared band",
        ),
        right="a",
        why=(
            "The eight symmetries of the square only move pixels, and from above no"
            " side is up.",
            "The label is kept, but pixels have to be interpolated, and the corners"
            " come from outside of the image.",
            "That makes meadows look like roofs: what a band means carries the class.",
        ),
    ),
    "03-cutout": Question(
        text="A recipe made for 32 x 32 pixels has a hole of 16 pixels. It is used at"
        " 224 x 224 as it is. What happens?",
        choices=(
            "Nothing: 16 pixels are 16 pixels",
            "The hole hides half a per cent of the image instead of a quarter, so it"
            " hardly does anything",
            "The hole hides everything",
        ),
        right="b",
        why=(
            "What counts is how much of the scene is hidden: 16 of 32 is half a side,"
            " 16 of 224 a fourteenth.",
            "(16 / 224)^2 = 0.5 %. No error tells. Write sizes as fractions of the"
            " side.",
            "It becomes smaller against the image, not larger.",
        ),
    ),
    "03-weak": Question(
        text="Why does FixMatch take the pseudo-label from the weak view?",
        choices=(
            "Because the weak view is faster to make",
            "Because the strong view has no label",
            "Because the model is most often right on what looks like the original",
        ),
        right="c",
        why=(
            "It is, but that is not why: both views are made in each step anyway.",
            "Neither view has a label; both are of the same unlabeled image.",
            "The target should be as good as can be had, the question as hard as the"
            " answer allows: the strong view is asked for the weak view's answer.",
        ),
    ),
    "03-normal": Question(
        text="Two strong views are made. The code normalises the first and forgets the"
        " second. How is that noticed?",
        choices=(
            "The program stops with an error of shapes",
            "The loss becomes NaN in the first step",
            "Not at all by itself: the shapes fit, and the network learns to tell the"
            " views apart by their range of values",
        ),
        right="c",
        why=(
            "Normalising changes values, not shapes.",
            "Values 0 to 1 instead of -2 to 2 are no reason for NaN.",
            "This stood in the code of an earlier workshop. Here normalisation is the"
            " last step, in one place, and no part of any view.",
        ),
    ),
    "03-oversampling": Question(
        text="Rare classes are drawn more often, so that each batch is balanced. Is"
        " that augmentation?",
        choices=(
            "Yes: both make more of few images",
            "No: oversampling repeats images as they are, data warping makes new ones"
            " of the same label",
            "Yes, if the copies are in different batches",
        ),
        right="b",
        why=(
            "They are often named together. But a repeated image teaches nothing new;"
            " it only weighs more.",
            "They go together well: oversample, then change each copy in its own way.",
            "When a copy comes does not make it another image.",
        ),
    ),
}
