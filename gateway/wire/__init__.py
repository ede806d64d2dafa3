"""Bytes to columns and back. Knows formats and their caps, but no protocol."""
