"""The triple-set watermark: key, logits processor and detector."""
