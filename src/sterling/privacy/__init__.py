"""Privacy of training data: target models, membership inference, unlearning."""

__all__: list[str] = []
