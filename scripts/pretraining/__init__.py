"""The recipe of the next backbones (docs/backbone.md); the weights in `aireal/weights/` are still of
`scripts/pretrain_backbone.py`."""
