"""Images too large for one tensor: read by window, cut into patches, split by place."""

__all__: list[str] = []
