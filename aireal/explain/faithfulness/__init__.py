"""Do explanations tell what the classifier does? Scores of maps, controls, the choice among methods, and the sanity gate (docs/gradcam.md)."""
