"""What every other room stands on: one run of one stage, files, tables, journals, statistics, and opening pictures."""
