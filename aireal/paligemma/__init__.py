"""PaliGemma writes a sentence about an overlay: load, fine-tune with LoRA, generate, check against the record."""
