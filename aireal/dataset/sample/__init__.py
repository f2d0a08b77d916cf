"""The sample dataset: its list of sources, and how it is built from them."""
