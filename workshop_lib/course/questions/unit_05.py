"""Questions on unit 05: evaluation."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "05-seeds": Question(
        text="Method A reaches 91 % and method B 89 %, one run each with 40 labels."
        " Which is better?",
        choices=(
            "A, by two points",
            "B, as the simpler method should be preferred",
            "Not known: which 40 images were labeled may matter more than two points",
        ),
        right="c",
        why=(
            "Another draw of the labels may turn it round. Two points are within the"
            " usual scatter of so few labels.",
            "A good rule where two are equal; whether they are is the question.",
            "Run both with the same five seeds and look at the differences, seed by"
            " seed: does their interval hold 0?",
        ),
    ),
    "05-kappa": Question(
        text="90 % of the images are Forest. A model that always says Forest has which"
        " accuracy and kappa?",
        choices=("90 % and 0.9", "90 % and 0", "50 % and 0", "90 % and -1"),
        right="b",
        why=(
            "Kappa takes off what agrees by chance, which here is all of it.",
            "p_o = p_e = 0.9, so (p_o - p_e) / (1 - p_e) = 0: nothing was learnt.",
            "Nine of ten images are right, so the accuracy is 90 %.",
            "Below 0 would be worse than chance; this is chance.",
        ),
    ),
    "05-calibration": Question(
        text="A model says 95 % on each of 100 images, and 80 of them are right. What"
        " is it?",
        choices=(
            "Too sure of itself: of images at 95 %, 95 should be right",
            "Well calibrated, as most are right",
            "Not sure enough",
        ),
        right="a",
        why=(
            "A temperature fitted on validation mends it without changing any"
            " prediction. Never fit it on the test.",
            "Calibration compares the confidence with the share that is right, and 95"
            " is not 80.",
            "It would be, had more than 95 been right.",
        ),
    ),
    "05-top5": Question(
        text="Top-5 accuracy on a data set of five classes is 100 %. What does that"
        " tell?",
        choices=(
            "The model is excellent",
            "The test images were in training",
            "Nothing: five guesses out of five classes always hold the right one",
        ),
        right="c",
        why=(
            "Even random numbers reach it.",
            "A leak may also give 100 %, but here it needs none.",
            "Look at top-1, or at top-5 where there are many classes, as in UC Merced's"
            " 21.",
        ),
    ),
    "05-matrix": Question(
        text="In a confusion matrix with the truth in rows, the row Harbor has 8 images"
        " in the column River. What does that say?",
        choices=(
            "8 harbors were taken for rivers",
            "8 rivers were taken for harbors",
            "Harbors and rivers were confused 8 times in both directions",
        ),
        right="a",
        why=(
            "The row is what it is, the column what the model said.",
            "That would be row River, column Harbor.",
            "Each direction has a cell of its own, and they often differ.",
        ),
    ),
}
