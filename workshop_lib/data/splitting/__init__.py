"""Which image goes where, and where that is written down."""

__all__: list[str] = []
