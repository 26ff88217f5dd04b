"""Questions on unit 04: training with FixMatch."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "04-threshold": Question(
        text="The confidence threshold is raised from 0.8 to 0.95. What happens?",
        choices=(
            "Fewer images are used, and more of their pseudo-labels are right",
            "More images are used, and more of their pseudo-labels are wrong",
            "The number of images stays, their weight grows",
        ),
        right="a",
        why=(
            "Mask rate and pseudo-label accuracy pull against each other. In a short"
            " training 0.95 may leave almost no image: look at the mask rate.",
            "That is what lowering the threshold does.",
            "FixMatch knows only in or out: the mask is 0 or 1.",
        ),
    ),
    "04-mean": Question(
        text="The losses of the sure unlabeled images are summed. By what are they"
        " divided in FixMatch?",
        choices=(
            "By the number of sure images",
            "By the number of all unlabeled images of the batch, mu B",
            "By the number of labeled images, B",
        ),
        right="b",
        why=(
            "Then a single sure image would weigh as much as 56, and none would be"
            " 0 / 0.",
            "While few are sure the labeled images lead; the weight of the unlabeled"
            " ones grows by itself as the model learns.",
            "The two parts of the loss are means over their own batches.",
        ),
    ),
    "04-zero": Question(
        text="In the first steps the log shows loss_u 0.000 and a mask rate of 0. Is"
        " that a bug?",
        choices=(
            "Yes: the unlabeled images are not loaded",
            "No: FixMatch learns from labels only in the first epoch, by design",
            "No: a new model is sure of nothing; it is one if the rate stays 0 for the"
            " whole training",
        ),
        right="c",
        why=(
            "They are loaded and looked at, but no image reaches the threshold yet.",
            "No step number is written anywhere: the mask alone decides.",
            "A demonstration of 100 steps once ended with mask rate 0.000: the class"
            " had seen supervised training only. Train longer, or lower the threshold.",
        ),
    ),
    "04-memory": Question(
        text="FixMatch with batch 8 and mu = 7 does not fit into memory, though batch"
        " 64 of supervised training does. Why?",
        choices=(
            "The pseudo-labels take the memory",
            "Two networks are trained",
            "8 + 2 x 56 = 120 images go through the network in a step, not 8 or 64",
        ),
        right="c",
        why=(
            "A pseudo-label is one number per image: 56 numbers.",
            "There is one network; the averaged copy keeps weights, no activations.",
            "Labeled, weak and strong views: B (1 + 2 mu). Running the weak view"
            " without gradient, smaller images and half precision all help.",
        ),
    ),
    "04-ema": Question(
        text="Averaged weights (EMA, decay 0.999) are evaluated after 100 steps, and"
        " the accuracy is at chance. Why?",
        choices=(
            "0.999^100 = 0.90: nine tenths of the average are still the random start",
            "Averaging needs a GPU",
            "The average was stored in half precision",
        ),
        right="a",
        why=(
            "The average looks about 1,000 steps back. A warm-up of the decay,"
            " min(d, (1 + t) / (10 + t)), takes the start out.",
            "It is a sum of two tensors, on any machine.",
            "That would blur the last digits, not bring accuracy to chance.",
        ),
    ),
}
