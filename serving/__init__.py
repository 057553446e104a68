"""The deployed service: images in, embeddings or search hits out. It never imports torch."""
