"""What a picture's file says of itself: Content Credentials, source type, texts of generators, camera
(docs/provenance.md). No request leaves the machine."""
