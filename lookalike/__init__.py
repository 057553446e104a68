"""Turns unlabelled footage into a search engine for it."""

__version__ = "0.1.0"  # here and not in the metadata: a bento carries this folder without installing it
