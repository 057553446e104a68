"""Images -> embeddings, in batches of many requests."""
