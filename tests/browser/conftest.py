"""What pytest leaves alone here: programs to be started by hand."""

collect_ignore = ["screenshots.py"]  # needs Playwright
