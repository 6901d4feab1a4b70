"""Inference graphs on Ray Serve."""
