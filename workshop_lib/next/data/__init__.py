"""Data of the new core."""
