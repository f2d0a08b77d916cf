"""The embedded small PaliGemma: its architecture, synthetic overlays and pretraining (docs/small_paligemma.md).

Its weights lie in the repository, so the package only loads them. `model`, `pretrain_vision` and `probes` are used by
`scripts/train_small_paligemma.py` alone, which trains the weights anew (and by tests). `synthetic` also provides the
overlays of `full_size.trial_rows` where no picture was predicted yet.
"""
