"""Learning to adapt: one bilevel engine over functional parameters."""

from sterling.adapt.episodes import Episodes, Task
from sterling.adapt.fit_meta import History, evaluate_tasks, fit_meta
from sterling.adapt.functional import Forward, FunctionalModel, Parameters, attach
from sterling.adapt.gradient_learner import (
    GradientLearner,
    Learner,
    MetaLearner,
    anil,
    fomaml,
    maml,
    meta_sgd,
)
from sterling.adapt.implicit import implicit_gradient
from sterling.adapt.inner_loop import DivergedError, Trajectory, inner_loop
from sterling.adapt.normalisation import BatchStatistics, with_batch_statistics
from sterling.adapt.protonet import ProtoNet
from sterling.adapt.rates import LearnedRates
from sterling.adapt.reptile import Reptile

__all__ = [
    "BatchStatistics",
    "DivergedError",
    "Episodes",
    "Forward",
    "FunctionalModel",
    "GradientLearner",
    "History",
    "LearnedRates",
    "Learner",
    "MetaLearner",
    "Parameters",
    "ProtoNet",
    "Reptile",
    "Task",
    "Trajectory",
    "anil",
    "attach",
    "evaluate_tasks",
    "fit_meta",
    "fomaml",
    "implicit_gradient",
    "inner_loop",
    "maml",
    "meta_sgd",
    "with_batch_statistics",
]
