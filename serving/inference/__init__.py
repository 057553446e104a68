"""Images -> embeddings: concurrent requests are batched."""
