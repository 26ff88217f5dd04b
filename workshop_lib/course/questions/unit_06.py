"""Questions on unit 06: embeddings."""

__all__ = ["QUESTIONS"]

from workshop_lib.course.questions.question import Question

QUESTIONS = {
    "06-tsne": Question(
        text="On a t-SNE map two groups lie far apart, and one is twice as wide. What"
        " may be concluded?",
        choices=(
            "Their classes are very different, and one varies more",
            "One class has twice as many images",
            "Neither: t-SNE keeps neighbours together; distances between groups and"
            " their sizes mean little",
        ),
        right="c",
        why=(
            "Another perplexity or seed may turn both round. Try the slider.",
            "t-SNE evens out densities: width does not count images.",
            "Which points are neighbours may be trusted. Put a number beside the map,"
            " such as the kNN accuracy.",
        ),
    ),
    "06-norm": Question(
        text="Embeddings are scaled to length 1. What is then the dot product of two?",
        choices=(
            "Their distance",
            "The cosine of the angle between them, -1 to 1",
            "Always 1",
        ),
        right="b",
        why=(
            "Not the distance, but tied to it: distance^2 = 2 - 2 cosine. Both give the"
            " same neighbours.",
            "1 is the same direction, 0 a right angle, -1 the opposite.",
            "That is the product of each vector with itself.",
        ),
    ),
    "06-knn": Question(
        text="kNN accuracy is measured with the test images in the memory too. What"
        " comes out for k = 1?",
        choices=(
            "100 %: each image finds itself",
            "The same as without, as the labels are right",
            "Chance",
        ),
        right="a",
        why=(
            "No image is nearer to it than itself. Leave queries out of the memory.",
            "It is the right labels of the very same images that spoil the measure.",
            "On the contrary, it looks perfect.",
        ),
    ),
    "06-features": Question(
        text="Which layer is usually looked at: the features before the classifier, or"
        " the projection head's output?",
        choices=(
            "The projection, because it comes last",
            "The features: the projection is trained for the contrastive loss and"
            " forgets what that does not need",
            "Either, they are the same up to a rotation",
        ),
        right="b",
        why=(
            "It comes last for the contrastive loss only; the classifier reads the"
            " features.",
            "What helps to classify is better kept in front of the head. Look at both"
            " and compare the kNN accuracy.",
            "The head has layers of its own, and fewer dimensions.",
        ),
    ),
    "06-collapse": Question(
        text="All embeddings point the same way. What happened?",
        choices=(
            "The classes are very similar",
            "The vectors were normalised",
            "The network has collapsed: every image gets the same vector, which agrees"
            " with itself but tells nothing",
        ),
        right="c",
        why=(
            "Even similar classes differ somewhere; here no image differs from any.",
            "Normalising sets the length, not the direction.",
            "Consistency alone can be had for nothing that way. Labels, negative pairs"
            " or stopped gradients prevent it.",
        ),
    ),
}
