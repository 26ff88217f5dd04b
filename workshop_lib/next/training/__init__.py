"""Training of the new core."""
