"""Questions on unit 08: segmentation."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "08-residual": Question(
        text="A plain network of many layers has a higher training loss than a"
        " shallower one. What does this tell?",
        choices=(
            "It overfits: it has too many weights for so few images",
            "It is hard to train: the deeper network could copy the shallower one, and"
            " training does not find that",
            "It needs more images",
        ),
        right="b",
        why=(
            "Overfitting lowers the training loss, and raises that of other images."
            " Here the training loss itself is worse.",
            "This is degradation. With shortcuts, doing nothing is where each pair of"
            " layers begins, and what is added to it can only be learnt.",
            "It does not even fit those that it has.",
        ),
    ),
    "08-any-size": Question(
        text="Why may an FCN be given an image of any size, and a network that ends in"
        " a fully connected layer over all positions not?",
        choices=(
            "A convolution has one set of weights for all positions; a layer over all"
            " positions has weights for each of them, and so for one size",
            "An FCN resizes the image first",
            "An FCN has fewer weights, so larger images fit into memory",
        ),
        right="a",
        why=(
            "That layer ties a network to its training size. Averaging over the"
            " positions unties it for scenes, scoring each position for maps.",
            "It resizes the scores, not the image, and to whatever size came in.",
            "Memory is a limit as well, but a layer over all positions stops with an"
            " error, on whatever machine.",
        ),
    ),
    "08-seams": Question(
        text="A large image is mapped in patches that touch but do not overlap. Where"
        " is the map worst?",
        choices=(
            "In the middle of the patches",
            "It is equally good everywhere",
            "Along the edges of the patches, where the network sees one side only",
        ),
        right="c",
        why=(
            "There the network sees ground on all sides: it is where patches are best.",
            "The edge of a patch is an edge of the world for the network: what lies"
            " beyond is filled with zeros.",
            "So patches overlap, and each counts the more, the farther a pixel is from"
            " its edge.",
        ),
    ),
    "08-miou": Question(
        text="A map has an overall accuracy of 95 % and a mean IoU of 45 %. What is"
        " likely?",
        choices=(
            "One of the two was computed wrongly",
            "A common class is mapped well, and rare ones are missed: they are few"
            " pixels but count as much in the mean of the classes",
            "The borders are wrong",
        ),
        right="b",
        why=(
            "They measure different things: all pixels alike, or all classes alike.",
            "Look at the IoU class by class, and at how many pixels each has.",
            "Wrong borders cost both; they do not drive them this far apart.",
        ),
    ),
    "08-rare": Question(
        text="FixMatch per pixel has one threshold for all classes. What becomes of a"
        " class that has few pixels?",
        choices=(
            "The network is seldom sure of it, so few of its pixels become"
            " pseudo-labels and it gains least",
            "It gains most, because it has most to learn",
            "Nothing: thresholds concern confidence, not classes",
        ),
        right="a",
        why=(
            "What is not used cannot teach. FreeMatch has a threshold for each class,"
            " lower where the network is less sure.",
            "It would need most of the pseudo-labels, and it gets fewest.",
            "Confidence differs from class to class: large even fields are easy to be"
            " sure of, narrow roads are not.",
        ),
    ),
}
