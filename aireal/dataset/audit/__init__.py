"""The dataset audit: find shortcuts that tell the classes apart (docs/audit.md)."""
