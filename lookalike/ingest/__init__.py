"""Footage -> embedded frames -> a file or an index: `embed` is the loop, and what stands on it writes."""
