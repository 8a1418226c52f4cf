"""Every architecture keeps its contract: description, seeds, batches, gradients, folding, ONNX."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.draws import normal, pixels, seeded
from tests.face.pad.lively import lively
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sterling.errors import InputError
from sterling.face.pad import (
    MODELS,
    Detector,
    Network,
    OnnxDetector,
    Preprocessing,
    Provenance,
    build_network,
    export_onnx,
    fold,
    small_arguments,
)
from sterling.testing import check_network

SIZE = 32
SMALLER: dict[str, dict[str, Any]] = {
    "ccl": {"width": 4},
    "cqil": {"width": 4},
    "compact": {"stages": 3},
    "fourier": {"width": 4},
    "part_crops": {"width": 4},
    "ssdg": {"width": 4},
    "fusion_resnet": {"width": 4},
    "fm_vit": {"dim": 24, "depth": 2, "every": 1},
    "flexible_modal": {"depth": 1, "width": 4},
    "deep_pixbis": {"width": 8, "layers": [1, 2]},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in MODELS},
    "cdcn, two cameras": ("cdcn", {"modalities": ["rgb", "ir"], "theta": 0.0}),
    "cdcn_pp, no attention": ("cdcn_pp", {"attention": []}),
    "compact, infrared": ("compact", {"modalities": ["ir"], "stages": 1}),
    "cqil, encoder alone": ("cqil", {"restoring": 0, "separate": False}),
    "depth_net, gradients": ("depth_net", {"gradient": "conv_then_sobel"}),
    "depth_net, clips": ("depth_net", {"frames": 3, "gradient": "sobel_then_conv"}),
    "fm_vit, all patches": ("fm_vit", {"keep": 1.0, "fusion": False}),
    "part_crops, face alone": ("part_crops", {"parts": False}),
    "sgtd, no memory": ("sgtd", {"frames": 3, "memory": False}),
    **{
        f"fusion_resnet, {fusion}, {combine}": (
            "fusion_resnet",
            {"fusion": fusion, "combine": combine},
        )
        for fusion, combine in (("halfway", "add"), ("se", "concat"), ("multi_scale_se", "concat"))
    },
    **{
        f"flexible_modal, {backbone}, {fusion}, {missing}": (
            "flexible_modal",
            {"backbone": backbone, "fusion": fusion, "missing": missing},
        )
        for backbone, fusion, missing in (
            ("cdcn", "se", "black"),
            ("cdcn", "cross_attention", "token"),
            ("resnet", "concat", "token"),
            ("resnet", "se", "token"),
            ("resnet", "cross_attention", "black"),
            ("vit", "concat", "black"),
            ("vit", "se", "token"),
            ("vit", "cross_attention", "token"),
        )
    },
}
ALL = pytest.mark.parametrize("variant", VARIANTS)
FLEXIBLE = pytest.mark.parametrize(
    "variant", [key for key, (name, _) in VARIANTS.items() if MODELS[name].flexible]
)


def built(variant: str, **changes: Any) -> Network:
    name, own = VARIANTS[variant]
    small = {"width": 4} if "width" in small_arguments(name, SIZE) else {}
    given = {**small_arguments(name, SIZE), **small, **SMALLER.get(name, {}), **own, **changes}
    return build_network({"name": name, **given})


def pictures(network: Network, count: int = 4, seed: int = 1) -> Tensor:
    return normal(count, *network.shape(SIZE), seed=seed)


def some(network: Network, count: int = 4) -> Tensor | None:
    """Modalities present, another set for each presentation; None for a network that needs all."""
    if not network.flexible:
        return None
    present = torch.ones(count, len(network.modalities), dtype=torch.bool)
    present[1, 0], present[2, 1], present[3, 1:] = False, False, False
    return present


@ALL
def test_a_description_and_a_seed_build_the_same_network(variant: str) -> None:
    before = torch.get_rng_state()
    network = built(variant, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)  # no weight depends on it
    again = build_network({**json.loads(json.dumps(network.to_dict())), "seed": 3})
    assert again.to_dict() == network.to_dict()
    assert "seed" not in network.arguments
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    other = built(variant, seed=4).state_dict()
    assert any(not torch.equal(value, other[key]) for key, value in state.items())


@ALL
def test_the_contract_of_others_and_the_shape_of_maps(variant: str) -> None:
    network = lively(built(variant))
    images, present = pictures(network), some(network)
    check_network(lambda seed: lively(built(variant, seed=seed)), images, present)
    with torch.no_grad():
        output = network(images, present)
    assert output.features == ()
    assert (output.maps is not None) is network.has_map
    if output.maps is not None:
        assert output.maps.shape[-2:] == network.map_shape(SIZE)[-2:]
        assert bool((output.maps >= 0).all())


@ALL
def test_folded_it_answers_the_same(variant: str) -> None:
    network = lively(built(variant))
    images, present = pictures(network), some(network)
    with torch.no_grad():
        expected, found = (one.liveness(one(images, present)) for one in (network, fold(network)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@ALL
def test_every_weight_that_trains_gets_a_gradient(variant: str) -> None:
    network = built(variant).train()
    if hasattr(network, "steps"):
        network.steps.fill_(1000)  # type: ignore[operator]  # else nothing is reversed yet
    output = network(pictures(network, 8), some(network, 8))
    parts = [one for one in (output.maps, output.logits, *output.features) if one is not None]
    draws = seeded(2)
    loss = torch.stack([(one * torch.randn(one.shape, generator=draws)).sum() for one in parts])
    torch.autograd.backward(loss.sum())
    left = [
        name
        for name, value in network.named_parameters()
        if value.requires_grad
        and (value.grad is None or not bool(value.grad.any()))
        and "excite" not in name  # a bottleneck of one unit may be off
    ]
    assert left == []


@ALL
def test_pictures_that_do_not_fit_are_refused(variant: str) -> None:
    network = built(variant)
    channels, frames = network.channels, (network.frames,) if network.frames > 1 else ()
    for shape, message in (
        ((2, *frames, channels + 1, SIZE, SIZE), f"the channels of {network.modalities[0]}"),
        ((2, *frames, channels, SIZE, SIZE - 2), f"{SIZE}×{SIZE - 2}|divisible by"),
        ((*frames, channels, SIZE, SIZE), f"{network.name} takes"),
        ((2, network.frames + 1, *(() if frames else (2,)), channels, SIZE, SIZE), "takes"),
    ):
        with pytest.raises(InputError, match=message):
            network(torch.zeros(shape))


@ALL
def test_absent_modalities_are_refused_or_do_not_matter(variant: str) -> None:
    network = lively(built(variant))
    images, count = pictures(network), len(network.modalities)
    with pytest.raises(InputError, match="no modality"):
        network(images, torch.zeros(4, count, dtype=torch.bool))
    with pytest.raises(InputError, match="one column for each of"):
        network(images, torch.ones(4, count + 1, dtype=torch.bool))
    present = torch.ones(4, count, dtype=torch.bool)
    present[:, count - 1] = False
    if not network.flexible:
        if count > 1:
            with pytest.raises(InputError, match=r"is absent in a presentation: .* flexible-modal"):
                network(images, present)
        return
    with torch.no_grad():
        whole = network.liveness(network(images))
        without = network.liveness(network(images, present))
        images[:, -1] = 9.0
        again = network.liveness(network(images, present))
    assert torch.equal(without, again)
    assert not torch.equal(whole, without)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cdcn", {"width": 0}, "width is 0: an integer of 1 or more"),
        ("cdcn", {"width": 2.5}, "width is 2.5"),
        ("cdcn", {"theta": 2.0}, r"theta is 2.0: a number in \[0, 1\]"),
        ("cdcn", {"modalities": []}, "modalities"),
        ("cdcn", {"modalities": ["rbg"]}, "did you mean rgb"),
        ("cdcn", {"depth": 3}, "architecture cdcn: .*depth"),
        ("cdcm", {}, "did you mean cdcn"),
        ("cdcn_multimodal", {"modalities": ["depth"]}, "for one take cdcn"),
        ("cdcn_pp", {"structure": [["cdc"], ["cdc_2_9"], ["cdc"]]}, "unknown operation 'cdc_2_9'"),
        ("cdcn_pp", {"structure": [["cdc"], ["cdc"]]}, "three cells"),
        ("cdcn_pp", {"structure": [["cdc"], [], ["cdc"]]}, "one operation or more"),
        ("cdcn_pp", {"attention": [7, 5]}, "three odd"),
        ("cdcn_pp", {"attention": [7, 5, 2]}, "three odd"),
        ("deep_pixbis", {"width": 7}, "width is 7: an even integer"),
        ("deep_pixbis", {"layers": [0, 1]}, "layers is"),
        ("depth_net", {"gradient": "sobel"}, "did you mean sobel_then_conv"),
        ("depth_net", {"frames": 0}, "frames is 0"),
        ("flexible_modal", {"backbone": "vgg"}, "unknown backbone 'vgg'"),
        ("flexible_modal", {"fusion": "late"}, "unknown fusion"),
        ("flexible_modal", {"missing": "mean"}, "unknown missing"),
        ("flexible_modal", {"size": 40}, "size is 40"),
        ("flexible_modal", {"patch": 7}, "patch, 7"),
        ("fm_vit", {"size": 30, "patch": 8}, "size is 30: a multiple of patch, 8"),
        ("fm_vit", {"dim": 25}, "dim is 25: a multiple of heads, 6"),
        ("fm_vit", {"depth": 3, "every": 2}, "depth is 3: a multiple of every, 2"),
        ("fm_vit", {"keep": 0.0}, r"keep is 0.0: a number in \(0, 1\]"),
        ("fusion_resnet", {"depth": 50}, "depth is 50: one of 10, 18, 34"),
        ("fusion_resnet", {"combine": "mean"}, "unknown combine"),
        ("fusion_resnet", {"reduction": 0}, "reduction is 0"),
        ("maddg", {"domains": 1}, "domains is 1: an integer of 2 or more"),
        ("cqil", {"restoring": -1}, "restoring is -1"),
        ("sgtd", {"frames": 1}, "take depth_net"),
        ("sgtd", {"frames": 2.5}, "frames is 2.5"),
        ("sgtd", {"w_multi": 1.5}, "w_multi is 1.5"),
        ("temporal_depth", {"logit_share": -0.1}, "logit_share is -0.1"),
    ],
)
def test_arguments_that_are_not_allowed_are_named(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build_network({"name": name, **arguments})


# Graphs of clips are slow to export. These share the forward pass and all operations of another.
WITHIN = {"temporal_depth": "sgtd"}


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Names of the operations that run inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.names.add(str(operation))
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("variant", WITHIN)
def test_an_architecture_that_is_not_exported_has_no_operation_of_its_own(variant: str) -> None:
    one, other = (fold(lively(built(name))) for name in (variant, WITHIN[variant]))
    assert type(one).forward is type(other).forward
    found = []
    for network in (one, other):
        with torch.no_grad(), Operations() as operations:
            network.liveness(network(pictures(network)))
        found.append(operations.names)
    assert len(found[0]) > 10
    assert found[0] <= found[1]


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "variant",
    [
        *(name for name in MODELS if name not in WITHIN),
        "fusion_resnet, se, concat",
        "flexible_modal, vit, concat, black",
        "depth_net, clips",
    ],
)
def test_saved_and_exported_detectors_score_the_same(variant: str, tmp_path: Path) -> None:
    shorter = {"fm_vit": {"depth": 1}, "sgtd": {"frames": 2}, "depth_net, clips": {"frames": 2}}
    network = lively(built(variant, **shorter.get(variant, {})))
    made = Detector(
        network, Preprocessing(size=SIZE), Provenance("random pixels", True, "CC0-1.0", 0, 0, "")
    )
    images = pixels(4, *network.shape(SIZE), seed=3)
    present = some(network)
    scores = made.score(images, present=present)
    made.save_pretrained(tmp_path)
    again = Detector.from_pretrained(tmp_path)
    np.testing.assert_array_equal(again.score(images, present=present), scores)
    assert again.model.to_dict() == network.to_dict()
    report = export_onnx(made, tmp_path / "model.onnx")
    assert report.max_difference <= 1e-4
    exported = OnnxDetector.load(tmp_path / "model.onnx")
    np.testing.assert_allclose(exported.score(images, present=present), scores, atol=1e-4)
    np.testing.assert_allclose(exported.score(images[:1]), made.score(images[:1]), atol=1e-4)
    assert exported.model.modalities == network.modalities
    if not network.flexible:
        with pytest.raises(InputError, match="needs"):
            exported.score(images, present=torch.zeros(4, 1, dtype=torch.bool))
