"""What notebooks need besides the library itself."""
