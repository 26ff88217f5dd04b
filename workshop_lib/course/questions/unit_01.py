"""Questions on unit 01: what semi-supervised learning is."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "01-two-ssl": Question(
        text="Two methods are both written SSL. What tells semi-supervised from"
        " self-supervised learning?",
        choices=(
            "Semi-supervised learning uses some labels while it trains; self-supervised"
            " learning makes its task from the images alone",
            "Self-supervised learning needs fewer labels of the same kind",
            "Semi-supervised learning is the older name of the same thing",
        ),
        right="a",
        why=(
            "Labels of a few images and the pixels of many are learnt from together."
            " Self-supervised learning looks at no label; these come in afterwards,"
            " when a classifier is put on top.",
            "Self-supervised training itself needs none at all. The number of labels is"
            " a matter of what comes after it.",
            "Both are studied today, and they can be combined: first self-supervised"
            " weights, then semi-supervised training.",
        ),
    ),
    "01-filter": Question(
        text="A 3 x 3 filter is slid over an image of 32 x 32 pixels without padding."
        " How large is the result?",
        choices=("32 x 32", "30 x 30", "31 x 31", "29 x 29"),
        right="b",
        why=(
            "That takes padding: a ring of made-up pixels around the image.",
            "The filter's middle can stand on all but the outermost row and column on"
            " each side: 32 - 3 + 1 = 30.",
            "One is lost on each side, not one in all.",
            "This forgets the last place: range(32 - 3) has 29 numbers, but the filter"
            " also fits at number 29, counted from 0.",
        ),
    ),
    "01-levels": Question(
        text='Which task does a patch with the single label "Harbor" belong to?',
        choices=(
            "Pixel level: each pixel is a harbor pixel",
            "Object level: each ship has a box",
            "Scene level: the image as a whole has a class",
        ),
        right="c",
        why=(
            "A label per pixel makes a map, as in unit 08. Here water, quay and roofs"
            " share one label.",
            "Boxes would tell where each object is; one label tells nothing of that.",
            "One label per image. A scene may hold many covers and objects, and the"
            " class is about all of them together.",
        ),
    ),
    "01-taxonomy": Question(
        text="FixMatch takes the model's own sure guess on one view as the target for"
        " another view of the same image. Which family is that?",
        choices=(
            "Generative",
            "Graph-based",
            "Pseudo-label and consistency together: hybrid",
            "Purely supervised, with more augmentation",
        ),
        right="c",
        why=(
            "A generative method models what images look like, for instance with an"
            " autoencoder. FixMatch models classes only.",
            "Graph-based methods let labels flow between similar images. CoMatch adds"
            " such a graph; FixMatch has none.",
            "The guess is a pseudo-label; that two views must agree is consistency.",
            "The images it learns from have no label that anyone gave: the target is"
            " the model's own.",
        ),
    ),
    "01-baseline": Question(
        text="A model reaches 12 % accuracy on ten equally common classes. What does"
        " that tell?",
        choices=(
            "It has learnt a tenth of the task",
            "Little: naming one class always would reach 10 %",
            "It is broken, as anything below 50 % is worse than guessing",
        ),
        right="b",
        why=(
            "Learning starts from what guessing gives, 10 %, not from 0.",
            "Compare with guessing before anything else. Ten classes guessed at give"
            " 10 %; on a few hundred test images 12 may be luck.",
            "50 % is guessing with two classes. With K of equal size it is 1 / K.",
        ),
    ),
}
