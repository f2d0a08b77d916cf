"""Real photograph or AI image: the models, their training, and what they are worth."""
