"""The ground floor: runs, devices, files, tables, journals, sampling, statistics, and opening pictures."""
