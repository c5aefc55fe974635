"""How many tokens a message costs a model beside its text: one rule for every adapter."""

MEDIA_TOKENS = 256
"""Estimate for an image, a sound or a film, which models count each in their own way; LlamaIndex assumes the same."""

DOCUMENT_TOKENS = 2048
"""Estimate for a document, the same as LlamaIndex's."""
