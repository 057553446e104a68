"""Bytes from strangers, made up by a fuzzer: `python -m tests.fuzz TARGET`, see `target`."""
