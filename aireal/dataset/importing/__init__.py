"""Import pictures from folders, archives, tables and the hub into a dataset root (docs/your_images.md)."""
