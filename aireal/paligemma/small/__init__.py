"""The embedded small PaliGemma: its architecture, synthetic overlays and pretraining (docs/small_paligemma.md)."""
