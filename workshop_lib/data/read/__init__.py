"""Readers: from files on the disk, whatever their layout, to one tensor of images."""

__all__: list[str] = []
