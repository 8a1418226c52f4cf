from .case import ReasoningCase, write_reasoning, write_step, write_text
from .encoder import StepPictureEncoder, fit_encoder
from .gaming import EXPLOITS, GamingMatrix, reward_gaming
from .limits import evaluate_grid, grid_of
from .recorded import draw_solutions, read_recorded
from .rewards import (
    ClinicalReward,
    DualEncoder,
    Quality,
    evidence_semantics,
    process_quality,
    process_quantity,
    same_answer,
    step_credits,
    value_credit,
)
from .samples import Question, Signals, read_questions, signals_of
from .sets import ReasoningSet, ReasoningSets
from .shapley import Shapley, exact_shapley_values, shapley_values, sufficient_subset
from .steps import Reasoning, ReasoningStep, parse_reasoning
from .synthetic import draw_cases, measurements, places, render
from .template import (
    ReasoningTemplate,
    TemplateStep,
    builtin_templates,
    normal_reference,
    read_template,
)
from .validity import JudgedChecker, arithmetic_holds, equations

__all__ = [
    "EXPLOITS",
    "ClinicalReward",
    "DualEncoder",
    "GamingMatrix",
    "JudgedChecker",
    "Quality",
    "Question",
    "Reasoning",
    "ReasoningCase",
    "ReasoningSet",
    "ReasoningSets",
    "ReasoningStep",
    "ReasoningTemplate",
    "Shapley",
    "Signals",
    "StepPictureEncoder",
    "TemplateStep",
    "arithmetic_holds",
    "builtin_templates",
    "draw_cases",
    "draw_solutions",
    "equations",
    "evaluate_grid",
    "evidence_semantics",
    "exact_shapley_values",
    "fit_encoder",
    "grid_of",
    "measurements",
    "normal_reference",
    "parse_reasoning",
    "places",
    "process_quality",
    "process_quantity",
    "read_questions",
    "read_recorded",
    "read_template",
    "render",
    "reward_gaming",
    "same_answer",
    "shapley_values",
    "signals_of",
    "step_credits",
    "sufficient_subset",
    "value_credit",
    "write_reasoning",
    "write_step",
    "write_text",
]
