"""A trained encoder -> one ONNX file that carries its own preprocessing and says what it is."""

import lookalike  # noqa: F401 (before onnxruntime, which reports to its makers otherwise)
