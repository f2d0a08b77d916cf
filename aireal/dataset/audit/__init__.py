"""The dataset audit: what tells the classes apart although it should not (docs/audit.md)."""
