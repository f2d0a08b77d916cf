"""The recipe of the backbones in `aireal/weights/` (docs/backbone.md)."""
