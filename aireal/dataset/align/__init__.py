"""Aligned pairs: every photograph of a root beside its round trip through a generator's autoencoder
(docs/your_images.md)."""
