from .cache import KVCloakCache
from .membership import MembershipFDR

__all__ = ["KVCloakCache", "MembershipFDR"]
