"""Studies of few-shot pictures and adversarial pictures."""
