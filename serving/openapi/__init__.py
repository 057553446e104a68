"""What /docs.json says about our routes, next to what BentoML says about its own."""
