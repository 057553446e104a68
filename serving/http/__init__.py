"""What comes in and goes out: bodies, limits, errors, responses."""
