"""Media types of bodies and responses."""

JSON, LINES = "application/json", "application/x-ndjson"
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
IMAGE, JPEG, BINARY = "image/*", "image/jpeg", "application/octet-stream"
NPY, ZIP = "application/x-npy", "application/zip"
