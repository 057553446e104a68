"""What /docs.json says of our routes, next to what BentoML says of its own."""
