"""The core of the second edition: Sample, Head, Method. Replaces its elder at once."""
