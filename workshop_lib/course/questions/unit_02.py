"""Questions on unit 02: data, splits and leaks."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "02-pool": Question(
        text="FixMatch is given the whole image folder as its unlabeled set, because"
        ' "no labels are used anyway". What is wrong?',
        choices=(
            "Nothing: pixels without labels cannot leak",
            "The labeled images are in it too, which counts them twice",
            "The test images are in it, so the test is no longer of unseen images",
        ),
        right="c",
        why=(
            "The model gives the test images pseudo-labels and learns to be sure of"
            " them. That is transductive learning: allowed if it is called so, and not"
            " comparable with results on unseen images.",
            "That is as it should be: FixMatch puts the labeled images into the pool."
            " Their labels are not used there.",
            "Exactly this happened in an earlier workshop. Take test and validation out"
            " first; `split.audit` reports it as an overlap.",
        ),
    ),
    "02-labels": Question(
        text="21 classes, 4 labels per class. How many labels does training see?",
        choices=("4", "21", "84", "1,050"),
        right="c",
        why=(
            "4 is the number of each class.",
            "21 would be one label per class.",
            "4 x 21 = 84. Count what training really saw, not what was asked for.",
            "That is every training image. A published log printed 84 while all 1,050"
            " were used, and the result was reported as that of 84.",
        ),
    ),
    "02-order": Question(
        text="A split is drawn by shuffling os.listdir(folder) with a fixed seed. On"
        " another machine the split differs. Why?",
        choices=(
            "The order of os.listdir depends on the file system: sort first",
            "A seed means something else on each processor",
            "The files were changed when they were copied",
        ),
        right="a",
        why=(
            "The same shuffle of another order is another split. Sort by name, then"
            " shuffle with a generator of your own; or ship the names of the files.",
            "Whole random numbers from one generator and seed are the same everywhere,"
            " within one version of the library that draws them.",
            "A changed file would keep its name, and thus its place in the split.",
        ),
    ),
    "02-choice": Question(
        text="The checkpoint with the best test accuracy is reported. What is wrong"
        " with that?",
        choices=(
            "Nothing: the best model is what one would use",
            "The test has taken part in a choice, so its figure is too good: choose on"
            " validation",
            "The last checkpoint is always the better one",
        ),
        right="b",
        why=(
            "One would use it, but would not know how good it is: the highest of many"
            " test figures is high by luck as well.",
            "Validation chooses, the test is looked at once. That is what the"
            " validation part is there for.",
            "The last one is often good, and to report it is honest. But it need not be"
            " the better one.",
        ),
    ),
    "02-ratio": Question(
        text="Batch 8 labeled, mu = 7. How many unlabeled images are in a step, and"
        " what is an epoch?",
        choices=(
            "56 unlabeled; count steps, for labeled and unlabeled images run out at"
            " different times",
            "7 unlabeled; an epoch is over when the labeled images are used up",
            "8 unlabeled; an epoch is 7 steps",
        ),
        right="a",
        why=(
            "mu x B = 56. 40 labels are used up after five steps, 2,400 unlabeled"
            " images after 43: an epoch of which? Steps are clear.",
            "mu is a ratio: 7 unlabeled images for each labeled one, so 7 x 8.",
            "8 is the labeled batch, B; the unlabeled one is mu times as large.",
        ),
    ),
}
