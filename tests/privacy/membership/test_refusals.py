"""Wrong input is refused with a message that names it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.privacy.membership.test_learned import shadows
from tests.privacy.membership.test_text_scores import tokens

from sterling.errors import InputError
from sterling.privacy.data.records import simulated_records
from sterling.privacy.membership import (
    QuantileRegression,
    ShadowClassifier,
    attack_scores,
    audit,
    class_thresholds,
    difficulty_score,
    entropy_score,
    gradient_norms,
    likelihood_ratio,
    lira_offline,
    lira_online,
    min_k_score,
    nonmember_conformity,
    phi,
    reference_score,
    rmia_score,
    select_over_stages,
    zlib_score,
)
from sterling.privacy.targets.models import initialise, mlp

STAGES = [np.linspace(0.01, 1, 20)] * 3
TARGET, SHADOW = np.zeros(10), np.random.default_rng(0).normal(size=(8, 10))
HALF = np.arange(80).reshape(8, 10) % 2 == 0
PAIRS = np.stack([HALF[0], ~HALF[0]] * 4)
NOBODY = np.zeros(60, dtype=bool)


def one_sided() -> object:
    logits, labels, member = shadows()
    member[:, labels == 1] = True
    return ShadowClassifier().fit(logits, labels, member)


def too_few_models() -> object:
    records = simulated_records(60, classes=2)
    models = initialise(lambda: mlp(records.shape, 2), [0, 1, 2])
    return attack_scores(
        models.select([0]),
        models.select([1, 2]),
        records,
        target_members=NOBODY,
        shadow_members=np.stack([NOBODY, NOBODY]),
        auxiliary=NOBODY,
    )


def low_order() -> object:
    models = initialise(lambda: mlp((2,), 2), [0])
    return gradient_norms(models, torch.zeros(1, 2), torch.zeros(1), order=0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phi([[1.0]], [0]), "two classes"),
        (lambda: phi([1.0, 2.0], [0]), "two classes"),
        (lambda: phi([[1.0, 2.0]], [0, 1]), "shape"),
        (lambda: phi([[1.0, 2.0]], [2]), "from 0 to 1"),
        (lambda: phi([[1.0, 2.0]], [0.5]), "whole numbers"),
        (lambda: phi([[1.0, np.nan]], [0]), "not finite"),
        (lambda: entropy_score([1.0, 2.0]), "two classes"),
        (lambda: class_thresholds([1.0, 2.0], [0, 0], [False, False], 1), "class 0 has no member"),
        (lambda: difficulty_score([0.0, 0.0], [[1.0, np.nan]]), "record 1 has no reference"),
        (lambda: difficulty_score([0.0, 0.0], [1.0, 1.0]), "shape"),
        (lambda: audit([1, 0], [True, False]), "true or false"),
        (lambda: audit([True], [True, False]), "same records"),
        (lambda: nonmember_conformity([0.5], mixing=2), "mixing 2"),
        (lambda: nonmember_conformity([1.5]), "between 0 and 1"),
        (one_sided, "class 1 has no member or no non-member"),
        (
            lambda: ShadowClassifier().fit(np.zeros((3, 2)), [0, 1, 0], [True] * 3),
            "shadows, records, classes",
        ),
        (lambda: QuantileRegression().fit(np.zeros((5, 2)), np.zeros(5)), "20 records"),
        (lambda: QuantileRegression(1.0), "quantile 1"),
        (low_order, r"order 0\.5"),
        (lambda: select_over_stages(STAGES, 0.2, "stage", calibration=[9]), "1 calibration sizes"),
        (lambda: select_over_stages(STAGES, 0.2, "all", calibration=[9] * 3), "rule 'all'"),  # type: ignore[arg-type]
        (lambda: lira_online(TARGET, SHADOW, HALF & False), "record 0 is covered by 0 shadow"),
        (lambda: lira_online(TARGET[:5], SHADOW, PAIRS), "first axis of shadow"),
        (lambda: lira_online(TARGET * np.nan, SHADOW, PAIRS), "not finite"),
        (lambda: lira_offline(TARGET, np.zeros_like(SHADOW), PAIRS), "give no variance"),
        (lambda: likelihood_ratio([1.5], [[0.5]], [[True]]), "between 0 and 1"),
        (lambda: likelihood_ratio([0.5], [[0.5]], [[False]]), "record 0 is in the training set"),
        (lambda: likelihood_ratio([0.5], [[0.5]], [[True]], offline_a=2), "offline_a 2"),
        (lambda: likelihood_ratio([0.6], [[0.2]], [[False]]), "or impute"),
        (lambda: likelihood_ratio([0.6], [[0.2]], [[False]], offline_a=0, impute=True), "above 0"),
        (lambda: rmia_score([1.0], [], gamma=1), "gamma"),
        (lambda: rmia_score([1.0], [np.nan]), "not a number"),
        (lambda: min_k_score(tokens(lengths=(3, 0))[0]), "text 1 has no token"),
        (lambda: min_k_score(tokens()[0], share=0), "share 0"),
        (lambda: zlib_score(tokens()[0], ["a", "b"]), "2 texts for 3 rows"),
        (lambda: reference_score(tokens()[0], tokens(1, (9, 9))[0]), "3 texts but 2"),
        (too_few_models, "1 targets and 2 shadows"),
    ],
)
def test_wrong_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
