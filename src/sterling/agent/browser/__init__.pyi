from .actions import Action, RefusedActionError
from .chromium import Browser, find_chromium
from .environment import BrowserEnv, reset_all, step_all
from .faults import Fault, FaultPlan
from .grammar import parse_action
from .miniwob import MiniWobEnv, miniwob_tasks
from .observation import Element, Observation
from .own_pages import PageEnv

__all__ = [
    "Action",
    "Browser",
    "BrowserEnv",
    "Element",
    "Fault",
    "FaultPlan",
    "MiniWobEnv",
    "Observation",
    "PageEnv",
    "RefusedActionError",
    "find_chromium",
    "miniwob_tasks",
    "parse_action",
    "reset_all",
    "step_all",
]
