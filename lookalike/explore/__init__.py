"""Explore an index: outliers, duplicates, copies of a clip, clusters."""
