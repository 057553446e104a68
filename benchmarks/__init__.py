"""Commands that measure each claim of speed or quality in the documentation."""
