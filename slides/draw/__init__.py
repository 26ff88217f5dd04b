"""What draws the decks' figures: `python -m slides.draw`."""
