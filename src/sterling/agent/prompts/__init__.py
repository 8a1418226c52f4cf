"""Prompts found without labels: comparisons, a tree of refinements, a tournament, baselines."""

from sterling.agent.prompts.baselines import best_of_n, random_search, spo
from sterling.agent.prompts.comparison import Asked, Comparison, EdgePosterior, PromptTask, compare
from sterling.agent.prompts.language_task import LanguageTask
from sterling.agent.prompts.search import Search, SearchSettings, Standing, upa
from sterling.agent.prompts.simulated import SimulatedTask

__all__ = [
    "Asked",
    "Comparison",
    "EdgePosterior",
    "LanguageTask",
    "PromptTask",
    "Search",
    "SearchSettings",
    "SimulatedTask",
    "Standing",
    "best_of_n",
    "compare",
    "random_search",
    "spo",
    "upa",
]
