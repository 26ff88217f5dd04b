"""From images on disk or generated, to tensors, to a split, to endless batches."""

__all__: list[str] = []
