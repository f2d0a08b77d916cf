"""Classifiers of real photographs and AI images: networks, training, metrics, calibration, cost and robustness."""
