"""Privacy of training data: target models, membership inference, unlearning."""

from sterling.privacy.membership import MembershipFDR

__all__ = ["MembershipFDR"]
