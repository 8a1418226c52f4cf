"""Language models: texts for prompts, and what a forward pass says about each token."""

from sterling.lm.endpoint import Endpoint
from sterling.lm.language_model import GREEDY, Generation, LanguageModel, Message, Sampling
from sterling.lm.ledger import Budget, BudgetExhaustedError, Call, CallLedger
from sterling.lm.load import load, load_local, load_tokenizer
from sterling.lm.local import LocalModel, Pass, Processor
from sterling.lm.store import SignalStore
from sterling.lm.token_stats import TokenStats, token_stats
from sterling.lm.train_small import train_small
from sterling.remote import EndpointError, is_address

__all__ = [
    "GREEDY",
    "Budget",
    "BudgetExhaustedError",
    "Call",
    "CallLedger",
    "Endpoint",
    "EndpointError",
    "Generation",
    "LanguageModel",
    "LocalModel",
    "Message",
    "Pass",
    "Processor",
    "Sampling",
    "SignalStore",
    "TokenStats",
    "is_address",
    "load",
    "load_local",
    "load_tokenizer",
    "token_stats",
    "train_small",
]
