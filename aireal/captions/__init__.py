"""Sentences about an evidence record: written (rendered, offline, by Claude), parsed back, checked, and kept in a table."""
