"""RAML: what do attention, and a representation of past knowledge, each add to meta-learning?

Qin et al., arXiv 1811.07545. The representation is trained on classes that no task has, and every
system with it has seen more data than the others. The paper's attention, its representation
(ResNet-50) and its data are not here; what stands in their place is ours.
"""

from dataclasses import replace
from functools import partial

import torch
from pydantic import Field

from sterling.adapt.attention import Form
from sterling.studies.image._few_shot import few_shot_study, maml_on_maps, maml_on_pictures
from sterling.studies.image._few_shot_data import PAPER, PAPER_PRIOR, SMOKE, Parts, PriorConfig
from sterling.studies.image._few_shot_systems import PIXELS, System, Systems, representation_by
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Table, Views

MAML, AML, RAML = "MAML", "AML", "RAML"
CENTROIDS, HEAD = "nearest centroid of representations", "MAML on representation"
COMPETING, URAML = "RAML, channels compete", "RAML, prior without labels"
NOISY_HEAD, NOISY_RAML = f"{HEAD}, distracted", f"{RAML}, distracted"


class RamlConfig(PriorConfig):
    """Configuration of the study; fields in common are `FewShotConfig`'s and `PriorConfig`'s.

    Attributes:
        attention: Attention of AML and RAML: "softmax" lets channels compete, "sigmoid" does not.
        distractors: Channels of other pictures' maps next to each channel of a picture's own, for
            the distracted systems.
    """

    attention: Form = "sigmoid"
    distractors: int = Field(default=2, ge=1)


def systems(config: RamlConfig) -> Systems:
    """Learners on pictures, and on the maps of a representation."""
    own = config.attention
    distracted = partial(distract, config.distractors)
    return {
        PIXELS: System(),
        MAML: maml_on_pictures(config),
        AML: maml_on_pictures(config, own),
        CENTROIDS: System(prior="labels"),
        HEAD: maml_on_maps(config),
        RAML: maml_on_maps(config, own),
        COMPETING: maml_on_maps(config, "softmax"),
        URAML: maml_on_maps(config, own, "rotations"),
        NOISY_HEAD: replace(maml_on_maps(config), changed=distracted),
        NOISY_RAML: replace(maml_on_maps(config, own), changed=distracted),
    }


def distract(distractors: int, maps: Parts, seed: int) -> Parts:
    """Put maps of other pictures, which say nothing of its class, behind every map."""
    draw = torch.Generator().manual_seed(seed)
    wider = {}
    for name, part in maps.items():
        others = [
            part.images[torch.randperm(len(part), generator=draw)] for _ in range(distractors)
        ]
        wider[name] = replace(part, images=torch.cat([part.images, *others], dim=1))
    return wider


def claims(results: Results, _: RamlConfig) -> list[Claim]:
    """The paper's claims, and ours about what they are compared with."""
    accuracy = results.series("accuracy")
    return [
        accuracy.higher(
            "attention_adds",
            "AML is more accurate than the same network without attention (MAML).",
            AML,
            than=MAML,
            paper="Conv-4, 1 and 5 shots: +3.6 and +6.4 points (recalled)",
        ),
        accuracy.higher(
            "representation_adds",
            "RAML is more accurate than AML, which has seen no prior data.",
            RAML,
            than=AML,
            paper="1 and 5 shots: +11.4 and +11.0 points (recalled)",
        ),
        accuracy.higher(
            "attention_adds_on_representation",
            "On the same frozen representation RAML is more accurate than without attention.",
            RAML,
            than=HEAD,
        ),
        accuracy.higher(
            "attention_passes_over_distractors",
            "With maps of other pictures next to a picture's own, RAML is more accurate than the "
            "same without attention.",
            NOISY_RAML,
            than=NOISY_HEAD,
        ),
        accuracy.higher(
            "meta_learning_beats_centroids",
            f"RAML is more accurate than the {CENTROIDS}, which learns nothing from tasks.",
            RAML,
            than=CENTROIDS,
        ),
        accuracy.higher(
            "labels_beat_rotations",
            "Prior knowledge from labels gives more than prior knowledge without.",
            RAML,
            than=URAML,
            paper="1 and 5 shots: +14 and +17 points (recalled)",
        ),
    ]


def views(results: Results, _: RamlConfig) -> Views:
    """Show the accuracy of the learned representations."""
    prior = results.table(
        "prior",
        "Prior knowledge",
        "system",
        [
            Column("classes", "classes"),
            Column("pictures", "pictures"),
            Column("accuracy in training", "accuracy", show="interval"),
        ],
        order=[representation_by("labels"), representation_by("rotations")],
        caption="No class of these is in a task.",
    )
    published = Table(
        name="published",
        title="Reported figures, in another setting",
        columns=["method", "network", "1 shot, %", "5 shots, %", "source"],
        rows=[
            ["MAML", "Conv-4", 48.70, 63.11, "LWAU's table"],
            ["AML", "Conv-4", 52.25, 69.46, "recalled"],
            ["RAML", "ResNet-50, prior data", 63.66, 80.49, "recalled"],
        ],
        caption="mini-ImageNet, 84 × 84 pixels, 5 ways. RAML's representation was trained on 900 "
        "further ImageNet classes (recalled). Not comparable with this run.",
    )
    return Views([], [prior, published])


STUDY = few_shot_study(
    ENTRIES["raml"],
    presets={
        "smoke": RamlConfig(**SMOKE, prior_width=4, prior_steps=3),
        "quick": RamlConfig(size=16),
        "paper": RamlConfig(**PAPER, **PAPER_PRIOR),
    },
    systems=systems,
    claims=claims,
    views=views,
    caption="Systems with a representation have seen the prior classes too.",
)
