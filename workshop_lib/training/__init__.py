"""The training loop and its parts: optimiser, schedule, averaged weights."""
