"""Each claim of speed or quality in the documentation is one command here."""
