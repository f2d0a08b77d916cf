"""Captions by Claude: requests, batches, ledger, budget, retries (docs/captions_claude.md)."""
