"""Losses of the new core."""
