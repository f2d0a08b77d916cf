"""Faithfulness of explanations to the classifier (docs/gradcam.md).

Scores of heatmaps, control maps, the selection of a method, occlusion tests and the sanity check.
"""
