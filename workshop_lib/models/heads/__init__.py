"""Heads: one thing to predict, with its score, its loss and its pseudo-labels.

A method never asks what kind of head it teaches. Each head turns features into scores,
scores into probabilities, probabilities into a target with a confidence, and compares
scores with targets element by element, so that a mask can multiply the loss. The same
FixMatch therefore learns a class per scene, a class per pixel, several labels per image
or a number.

    head         scores        elements    probabilities   unknown target
    Categorical  (B, K)        (B,)        (B, K)          -1
      dense      (B, K, H, W)  (B, H, W)   (B, K, H, W)    255
    MultiLabel   (B, K)        (B, K)      (B, 2, K)       NaN
    Regression   (B,)          (B,)        none            NaN
"""

__all__ = ["UNKNOWN", "Categorical", "Features", "Head", "MultiLabel", "Regression"]

from workshop_lib.models.heads.base import Features, Head, Regression
from workshop_lib.models.heads.classes import UNKNOWN, Categorical, MultiLabel
