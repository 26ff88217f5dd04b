"""Models of the new core."""
