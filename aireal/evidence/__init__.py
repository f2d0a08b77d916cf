"""The evidence record of a picture (docs/evidence_record.md), and the measuring of its region."""
