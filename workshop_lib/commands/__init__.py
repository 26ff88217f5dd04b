"""The commands behind `workshop ...`: they read flags, call the library, print.

Nothing here imports torch before a command runs, so that `--help` is instant.
"""
