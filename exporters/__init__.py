"""A trained encoder -> one ONNX file that carries its own preprocessing and says what it is."""
