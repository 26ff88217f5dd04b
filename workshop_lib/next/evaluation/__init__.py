"""Evaluation: scores of a run on the test images, and everything derived from them."""
