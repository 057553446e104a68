"""Self-contained HTML pages: what was done, how it went, what it finds."""
