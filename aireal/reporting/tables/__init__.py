"""Tables of results, rendered from metrics/ as Markdown or HTML."""
