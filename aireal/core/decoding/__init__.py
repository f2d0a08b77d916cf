"""What an image file is, the bytes in it that make its pixels, and their colours; `core.imagefile` opens files."""
