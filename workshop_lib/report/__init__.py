"""Pages and tables for readers: the report of a comparison, predictions, results."""

__all__: list[str] = []
