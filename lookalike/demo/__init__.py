"""Footage rendered here, with known events, so that the demo needs no third-party media."""
