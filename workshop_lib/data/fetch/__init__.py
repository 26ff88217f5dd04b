"""Public data sets: where they are, how to get them, whether they are whole."""

__all__: list[str] = []
