"""An index on a Qdrant server: its engine, client, schema, limits and errors."""
