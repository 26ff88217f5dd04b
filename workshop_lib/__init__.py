"""Learning from few labels in remote sensing: the library under the workshop.

Import what you need from its rooms (`workshop_lib.data`, `workshop_lib.training`, ...);
importing the package itself loads nothing heavy and changes nothing.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
