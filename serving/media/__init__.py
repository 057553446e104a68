"""Footage is decoded in processes of its own, which may do little else."""
