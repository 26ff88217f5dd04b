"""Augment of the new core."""
