"""Explain a verdict: heatmaps, LIME, occlusion tests, and how far to trust them."""
