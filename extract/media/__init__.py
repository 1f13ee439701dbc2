"""Media files: what is in them, and their pictures and sound decoded."""
