"""What readers see of the metrics: READMEs, cards, the report, and their publication."""
