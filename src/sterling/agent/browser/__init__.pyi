from .actions import Action, RefusedActionError
from .chat_policy import ChatPolicy
from .chromium import Browser, find_chromium
from .environment import BrowserEnv, reset_all, step_all
from .episode import Episode, Guard, StepRecord, run_episodes
from .faults import Fault, FaultPlan
from .grammar import parse_action
from .gui_rewards import episode_return, step_reward
from .mind2web import read_mind2web, write_mind2web
from .miniwob import MiniWobEnv, miniwob_tasks
from .observation import Element, Observation
from .oracle import OraclePolicy, RandomPolicy
from .own_pages import PageEnv
from .scorer import ElementScorer, ScorerPolicy
from .stages import demonstrate, fine_tune, offline_grpo, online_grpo
from .trajectories import Trajectories, replay
from .verifier import Check, LearnedTier, Verifier
from .webarena import WebArenaTask, read_webarena

__all__ = [
    "Action",
    "Browser",
    "BrowserEnv",
    "ChatPolicy",
    "Check",
    "Element",
    "ElementScorer",
    "Episode",
    "Fault",
    "FaultPlan",
    "Guard",
    "LearnedTier",
    "MiniWobEnv",
    "Observation",
    "OraclePolicy",
    "PageEnv",
    "RandomPolicy",
    "RefusedActionError",
    "ScorerPolicy",
    "StepRecord",
    "Trajectories",
    "Verifier",
    "WebArenaTask",
    "demonstrate",
    "episode_return",
    "find_chromium",
    "fine_tune",
    "miniwob_tasks",
    "offline_grpo",
    "online_grpo",
    "parse_action",
    "read_mind2web",
    "read_webarena",
    "replay",
    "reset_all",
    "run_episodes",
    "step_all",
    "step_reward",
    "write_mind2web",
]
