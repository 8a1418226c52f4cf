"""Training: objectives, losses, augmentation and checkpoints."""
