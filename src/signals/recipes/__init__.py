"""Model families as frozen configurations; direction first."""
