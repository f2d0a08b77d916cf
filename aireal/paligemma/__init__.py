"""PaliGemma that puts an overlay into a sentence: load, fine-tune with LoRA, generate, bind to the evidence record."""
