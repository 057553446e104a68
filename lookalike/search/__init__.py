"""The definition of a search, shared by the command line, HTTP, the client and the page."""

from lookalike.search.example import Example
from lookalike.search.request import SearchRequest
from lookalike.search.searcher import Searcher

__all__ = ["Example", "SearchRequest", "Searcher"]
