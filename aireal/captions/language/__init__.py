"""The grammar of captions: render a record as a sentence, parse a sentence back, validate it."""
