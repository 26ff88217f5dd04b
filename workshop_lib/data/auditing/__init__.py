"""What can be wrong with a split, and how to see it."""

__all__: list[str] = []
