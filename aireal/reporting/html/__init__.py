"""`outputs/report.html`: what was measured and every picture with its verdict, in one file that opens offline
(docs/report.md)."""
