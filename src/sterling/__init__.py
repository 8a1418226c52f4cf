"""sterling: can this part of an AI system be trusted, and with what error rate?"""

__version__ = "0.1.0"
__all__ = ["__version__"]
