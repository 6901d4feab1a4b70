"""Saved models in another format, accepted only where both give the same answers."""
