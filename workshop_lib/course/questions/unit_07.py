"""Questions on unit 07: several sensors at once."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "07-units": Question(
        text="Reflectance (0 to 0.5) and radar in dB (-25 to 0) are stacked and given"
        " to a network without normalising. What happens first?",
        choices=(
            "Nothing: the first layer learns its own scale at once",
            "Radar drowns the reflectance: its values, and the gradients of its"
            " weights, are a hundred times as large",
            "The network refuses negative numbers",
        ),
        right="b",
        why=(
            "It could learn it, but all weights start alike, and few steps are wasted"
            " on getting there.",
            "Subtracting each channel's mean and dividing by its spread gives all of"
            " them the same say.",
            "Negative numbers are as good as others; after normalising half of all"
            " are.",
        ),
    ),
    "07-early-late": Question(
        text="Something shows only where one pixel is bright in S2 and dark in S1 at"
        " the same place. Which fusion can learn it most easily?",
        choices=(
            "Early: one filter sees both sensors at the same pixel",
            "Late: each backbone has more weights of its own",
            "Shared: one backbone reads both",
        ),
        right="a",
        why=(
            "It is the only one of the three whose filters see both at once.",
            "At its end each backbone has averaged over the patch: which pixel was"
            " bright, is forgotten.",
            "It reads both, but one after the other, never together.",
        ),
    ),
    "07-redundant": Question(
        text="The climate alone names the class twice as often as chance, yet a forest"
        " of trees gains nothing when it is added to S2 and S1. What is it?",
        choices=(
            "Misleading: what is true of it alone is false beside others",
            "Complementary: twice chance cannot be nothing",
            "Redundant: what it tells of the class, the sensors tell already",
        ),
        right="c",
        why=(
            "Nothing false was learnt: the forest stays as good as it was.",
            "What it is worth alone says nothing of what it adds to others.",
            "A modality is worth what the others do not know. That is why sets are"
            " measured, not single sensors.",
        ),
    ),
    "07-longitude": Question(
        text="With longitude as an input, accuracy rises on validation images from the"
        " same regions. Which images would have warned you?",
        choices=(
            "More validation images, drawn from the same regions",
            "Images from a region of which nothing was trained on",
            "The training images themselves",
        ),
        right="b",
        why=(
            "They share the same rule of thumb, so they praise it once more.",
            "Hold out a whole region: what is only a habit of the places known fails"
            " there.",
            "There every rule of thumb looks best of all.",
        ),
    ),
    "07-geometry": Question(
        text="In the strong view S2 is mirrored and S1 of the same patch is not. What"
        " does a network learn from that?",
        choices=(
            "That a pixel of one sensor says nothing of the same pixel of the other",
            "More, since the views differ more",
            "Nothing else: classes do not depend on left and right",
        ),
        right="a",
        why=(
            "The two no longer show the same ground at one place. Geometry is drawn"
            " once for all channels; only physics differs.",
            "A difference that never occurs in real data teaches what is not so.",
            "The class stays, but what belongs together in both sensors is torn apart.",
        ),
    ),
}
