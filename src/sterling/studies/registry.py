"""The studies by name: what a list shows of each. A study's own module is imported when it runs."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sterling.errors import InputError
from sterling.plugins import Registry
from sterling.study import StudyEntry

if TYPE_CHECKING:
    from sterling.study import Study


def _check(name: str, entry: StudyEntry) -> None:
    if not isinstance(entry, StudyEntry):
        raise InputError(f"study {name!r}: {entry!r} is no sterling.study.StudyEntry")
    if entry.name != name:
        raise InputError(f"study {name!r}: its entry has the name {entry.name!r}; use one name")
    _ = entry.paper  # raises where the list of studies would


_OWN = (
    StudyEntry(
        "aim_fas",
        "Zero- and few-shot face anti-spoofing with a learned inner update.",
        "face",
        "qin2020learning",
        "sterling.studies.face.aim_fas.study",
    ),
    StudyEntry(
        "cardiacmind",
        "Process rewards for clinical reasoning, and what exploits earn from them.",
        "reasoning",
        "cardiacmind2026",
        "sterling.studies.reasoning.cardiacmind.study",
    ),
    StudyEntry(
        "casia_surf",
        "Squeeze-and-excitation fusion of colour, depth and infrared, step by step.",
        "face",
        "zhang2019casiasurf",
        "sterling.studies.face.casia_surf",
    ),
    StudyEntry(
        "ccl",
        "High-fidelity masks: contrast pairs of captures that share their context.",
        "face",
        "liu2022contrastive",
        "sterling.studies.face.ccl",
    ),
    StudyEntry(
        "cdcn",
        "Central difference convolution and depth supervision for face liveness.",
        "face",
        "yu2020searching",
        "sterling.studies.face.cdcn",
    ),
    StudyEntry(
        "cdcn_multimodal",
        "Colour, depth and infrared: three central difference networks fused.",
        "face",
        "yu2020multimodal",
        "sterling.studies.face.cdcn_multimodal",
    ),
    StudyEntry(
        "cdcn_search",
        "Search of CDCN++'s cells and multiscale attention, against CDCN.",
        "face",
        "yu2020searching",
        "sterling.studies.face.cdcn_search",
    ),
    StudyEntry(
        "cqil",
        "Surveillance cameras: liveness that does not depend on the picture's quality.",
        "face",
        "fang2024surveillance",
        "sterling.studies.face.cqil",
    ),
    StudyEntry(
        "epcr",
        "Few labels: consistency of two views in embeddings and predictions.",
        "face",
        "wang2023consistency",
        "sterling.studies.face.epcr.study",
    ),
    StudyEntry(
        "faps",
        "Search for the alignment template: crop size and vertical shift of the face.",
        "face",
        "faps2021",
        "sterling.studies.face.faps.study",
    ),
    StudyEntry(
        "flexible_modal",
        "One face detector for any set of cameras: backbones, fusions, modality dropout.",
        "face",
        "yu2023flexible",
        "sterling.studies.face.flexible_modal",
    ),
    StudyEntry(
        "fm_vit",
        "A vision transformer trained on three cameras and tested with any of them.",
        "face",
        "liu2023fmvit",
        "sterling.studies.face.fm_vit",
    ),
    StudyEntry(
        "forgetting_benchmark",
        "Forget sets × unlearning methods × attacks × architectures, against retraining.",
        "privacy",
        "qian2025benchmarking",
        "sterling.studies.privacy.forgetting_benchmark.study",
    ),
    StudyEntry(
        "hats",
        "Triple-set watermark on a real model: what it finds, whom it accuses, what it costs.",
        "text",
        "hats2025",
        "sterling.studies.text.hats.study",
    ),
    StudyEntry(
        "hifimask_challenge",
        "Masks in the open: part crops, corruption, mirror images, and steered thresholds.",
        "face",
        "liu2021challenge",
        "sterling.studies.face.hifimask_challenge.study",
    ),
    StudyEntry(
        "hmllm",
        "Responses of groups of viewers to videos, by a hypergraph of EEG and gaze records.",
        "gaze",
        "wu2024hypergraph",
        "sterling.studies.gaze.hmllm.study",
    ),
    StudyEntry(
        "kv_cloak",
        "Prompts recovered from a key-value cache, and their protection by KV-Cloak.",
        "privacy",
        "luo2026shadow",
        "sterling.studies.privacy.kv_cloak.study",
    ),
    StudyEntry(
        "lrm_conformal",
        "Sets of reasoning and answer with a bounded risk; Shapley values of examples and steps.",
        "reasoning",
        "corap2026",
        "sterling.studies.reasoning.lrm_conformal.study",
    ),
    StudyEntry(
        "lrm_unlearning",
        "Deletion requests that make a reasoning model err with a convincing trace; defences.",
        "reasoning",
        "chen2026unveiling",
        "sterling.studies.reasoning.lrm_unlearning.study",
    ),
    StudyEntry(
        "lwau",
        "Inner rates by layer in meta-learning, and which layers need to adapt.",
        "image",
        "qin2020layerwise",
        "sterling.studies.image.lwau",
    ),
    StudyEntry(
        "makeup216",
        "Logos of unseen brands: attention to the logo, to its border, and to both.",
        "image",
        "hu2021makeup216",
        "sterling.studies.image.makeup216.study",
    ),
    StudyEntry(
        "mano",
        "A GUI agent trained in three stages, with a verifier, on MiniWoB++ pages in Chromium.",
        "agent",
        "mano2025",
        "sterling.studies.agent.mano.study",
    ),
    StudyEntry(
        "meta_teacher",
        "Supervision of liveness detectors that a teacher learns by bilevel training.",
        "face",
        "qin2021meta",
        "sterling.studies.face.meta_teacher",
    ),
    StudyEntry(
        "mfr",
        "Face recognition on a domain never seen, by holding one out in every step.",
        "face",
        "guo2020learning",
        "sterling.studies.face.mfr.study",
    ),
    StudyEntry(
        "metaadvdet",
        "Detecting new adversarial attacks from one or five examples of each kind.",
        "image",
        "ma2019metaadvdet",
        "sterling.studies.image.metaadvdet.study",
    ),
    StudyEntry(
        "mgteval",
        "Detectors of machine-generated text: calibrated, attacked, moved to other domains.",
        "text",
        "li2026mgteval",
        "sterling.studies.text.mgteval.study",
    ),
    StudyEntry(
        "mia_fdr",
        "Membership inference whose declared members are mostly right, with a bound.",
        "privacy",
        "zhao2025membership",
        "sterling.studies.privacy.mia_fdr.study",
    ),
    StudyEntry(
        "pad_chapter",
        "Four types of protocol, kinds of instruments left out, and a pulse against masks.",
        "face",
        "yu2022presentation",
        "sterling.studies.face.pad_chapter.study",
    ),
    StudyEntry(
        "pad_survey",
        "Fourteen families of detectors against new people, cameras, lights and instruments.",
        "face",
        "yu2023survey",
        "sterling.studies.face.pad_survey.study",
    ),
    StudyEntry(
        "pkaml",
        "Over-fitting of meta-learners to the number of shots, and what mends it.",
        "image",
        "qin2021prior",
        "sterling.studies.image.pkaml",
    ),
    StudyEntry(
        "poseface",
        "Faces recognised over pose: orthogonal subspaces, and a margin that grows with yaw.",
        "face",
        "poseface2021",
        "sterling.studies.face.poseface.study",
    ),
    StudyEntry(
        "pre_map",
        "Gaze points for a kind of viewer: rewards for format, place, spread and profile.",
        "gaze",
        "premap2025",
        "sterling.studies.gaze.pre_map.study",
    ),
    StudyEntry(
        "raml",
        "Gains of meta-learning from attention and from a frozen representation.",
        "image",
        "qin2018representation",
        "sterling.studies.image.raml",
    ),
    StudyEntry(
        "senn_conformal",
        "Conformal sets of concepts and labels for self-explaining networks.",
        "explain",
        "qian2024towards",
        "sterling.studies.explain.senn_conformal.study",
    ),
    StudyEntry(
        "neuron_explanation",
        "Names for units of vision networks, with evidence, and none without.",
        "explain",
        "zhao2024automated",
        "sterling.studies.explain.neuron_explanation.study",
    ),
    StudyEntry(
        "partial_sgd",
        "Training that drops the results of slow machines in each iteration.",
        "scale",
        "hybrid2014",
        "sterling.studies.scale.partial_sgd.study",
    ),
    StudyEntry(
        "sgtd",
        "Depth from spatial gradients, refined over the frames of a clip.",
        "face",
        "wang2020deep",
        "sterling.studies.face.sgtd",
    ),
    StudyEntry(
        "smooth_reward",
        "Smooth rewards for numeric answers, and advantages that keep their level.",
        "policy",
        "jiao2026smooth",
        "sterling.studies.policy.smooth_reward.study",
    ),
    StudyEntry(
        "temporal_depth",
        "Depth from optical-flow guided features of several frames.",
        "face",
        "wang2018exploiting",
        "sterling.studies.face.temporal_depth",
    ),
    StudyEntry(
        "uncertainty_unlearning",
        "Deletion requests that make a model over- or under-confident and keep its labels.",
        "privacy",
        "qian2025uncertainty",
        "sterling.studies.privacy.uncertainty_unlearning.study",
    ),
    StudyEntry(
        "upa",
        "Prompts found without labels: order-free comparisons, a tree, a tournament.",
        "agent",
        "upa2026",
        "sterling.studies.agent.upa.study",
    ),
)

ENTRIES: Registry[StudyEntry] = Registry(
    "study", "sterling.studies", {entry.name: entry for entry in _OWN}, _check
)


class Studies(Mapping[str, "Study[Any]"]):
    """The studies of `ENTRIES` by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> "Study[Any]":
        """Import a study."""
        return ENTRIES[name].load()

    def __contains__(self, name: object) -> bool:
        """Whether there is such a study; none is imported."""
        return name in ENTRIES

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; no study is imported."""
        return iter(ENTRIES)

    def __len__(self) -> int:
        """Count the studies."""
        return len(ENTRIES)
