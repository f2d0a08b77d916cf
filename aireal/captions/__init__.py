"""Sentences about evidence records: rendered or written by an author, parsed back, validated, and kept in tables."""
