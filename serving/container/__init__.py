"""A folder from which a container image is built that serves graphs with ``umbel run``."""
