"""Methods of the new core."""
