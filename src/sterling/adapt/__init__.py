"""Learning to adapt: one bilevel engine over functional parameters."""

from sterling.adapt.attention import ChannelAttention
from sterling.adapt.cross_shot import cet_loss, cet_proxy, tof_gap
from sterling.adapt.episodes import Episodes, Task
from sterling.adapt.fit_meta import History, evaluate_tasks, fit_meta
from sterling.adapt.functional import Forward, FunctionalModel, Parameters, attach
from sterling.adapt.implicit import implicit_gradient
from sterling.adapt.inner_loop import DivergedError, Trajectory, inner_loop
from sterling.adapt.learners import (
    BatchLearner,
    GradientLearner,
    Learner,
    MetaLearner,
    ProtoNet,
    Reptile,
    anil,
    fomaml,
    maml,
    meta_sgd,
)
from sterling.adapt.lwau import freeze_bottom, layered, lwau
from sterling.adapt.normalisation import (
    BatchStatistics,
    with_batch_statistics,
    with_running_statistics,
)
from sterling.adapt.raml import map_classifier, represent
from sterling.adapt.rates import LearnedRates
from sterling.adapt.selection import Chosen, Judged, Stepwise, fit_chosen, judge_tasks

__all__ = [
    "BatchLearner",
    "BatchStatistics",
    "ChannelAttention",
    "Chosen",
    "DivergedError",
    "Episodes",
    "Forward",
    "FunctionalModel",
    "GradientLearner",
    "History",
    "Judged",
    "LearnedRates",
    "Learner",
    "MetaLearner",
    "Parameters",
    "ProtoNet",
    "Reptile",
    "Stepwise",
    "Task",
    "Trajectory",
    "anil",
    "attach",
    "cet_loss",
    "cet_proxy",
    "evaluate_tasks",
    "fit_chosen",
    "fit_meta",
    "fomaml",
    "freeze_bottom",
    "implicit_gradient",
    "inner_loop",
    "judge_tasks",
    "layered",
    "lwau",
    "maml",
    "map_classifier",
    "meta_sgd",
    "represent",
    "tof_gap",
    "with_batch_statistics",
    "with_running_statistics",
]
