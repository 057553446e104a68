"""Turns unlabelled footage into a search engine for it."""

from importlib.metadata import version

__version__ = version("lookalike")
