from .activations import Activation, exponential, huber, linear, snra, threshold
from .adapters import (
    AdvantageMixin,
    openrlhf_reward,
    register_verl,
    trl_reward,
    verl_compute_score,
    verl_estimator,
    verl_raw_score,
)
from .advantage import Advantages, advantages, near_miss_utilisation
from .diagnosis import diagnose
from .feedback import (
    absolute,
    angular,
    box_iou_error,
    edit_distance,
    log_ratio,
    point_to_box,
    relative_squared,
)
from .losses import dapo_loss, dr_grpo_loss, grpo_loss, gspo_loss, k3_divergence
from .parsers import NumberParser, in_unit, json_in, last_number, points, tagged, tagged_text
from .reward_log import RewardLog, read_reward_log
from .rewards import NumericReward, overlong_penalty, texts_of
from .schedules import Curve, Schedule

__all__ = [
    "Activation",
    "AdvantageMixin",
    "Advantages",
    "Curve",
    "NumberParser",
    "NumericReward",
    "RewardLog",
    "Schedule",
    "absolute",
    "advantages",
    "angular",
    "box_iou_error",
    "dapo_loss",
    "diagnose",
    "dr_grpo_loss",
    "edit_distance",
    "exponential",
    "grpo_loss",
    "gspo_loss",
    "huber",
    "in_unit",
    "json_in",
    "k3_divergence",
    "last_number",
    "linear",
    "log_ratio",
    "near_miss_utilisation",
    "openrlhf_reward",
    "overlong_penalty",
    "point_to_box",
    "points",
    "read_reward_log",
    "register_verl",
    "relative_squared",
    "snra",
    "tagged",
    "tagged_text",
    "texts_of",
    "threshold",
    "trl_reward",
    "verl_compute_score",
    "verl_estimator",
    "verl_raw_score",
]
