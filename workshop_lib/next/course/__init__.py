"""The course: what notebooks, exercises and the competition share."""
