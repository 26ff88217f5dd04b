"""From a network and a large image to a map of it."""

__all__: list[str] = []
