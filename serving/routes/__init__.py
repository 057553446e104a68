"""One module for each resource. None imports another."""
