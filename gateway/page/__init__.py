"""The page at /docs: HTML, style and script, and who serves them (`files`)."""
