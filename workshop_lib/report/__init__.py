"""Pages for readers: the report of a comparison, and predictions of new images."""

__all__: list[str] = []
