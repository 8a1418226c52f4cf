"""Answers of anybody's classifier on records: a torch callable, a scikit-learn estimator, or ONNX.

Losses per record are all that many audits take::

    from sterling.privacy import losses_of

    members, others = losses_of(model, X_train, y_train), losses_of(model, X_new, y_new)
    MembershipFDR().calibrate(-others).select(-members, 0.1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from sterling.checks import check_numbers
from sterling.errors import InputError, quoted
from sterling.files import open_regular

LEAST = 1e-12
"""Least probability whose logarithm is taken: one of 0 would be an infinite loss."""

Kind = Literal["logits", "probabilities"]
Array = NDArray[np.float64]


def losses_of(
    model: Any, x: ArrayLike, y: ArrayLike, *, outputs: Kind = "logits", batch_size: int = 256
) -> Array:
    """Return the cross-entropy of each record in nats, (N,), under a classifier.

    Args:
        model: A scikit-learn estimator with ``predict_proba``; a function or ``torch.nn.Module``
            from a tensor of records to answers (N, C); or the path of an ``.onnx`` file whose first
            output is such answers. A module is asked in evaluation mode, without gradients.
        x: Records (N, ...). A module with floating-point parameters gets them in their type, and
            ONNX in float32; other functions get tensors as they are. Estimators get `x` itself.
        y: True classes (N,): values of an estimator's ``classes_``, else whole numbers below C.
        outputs: Meaning of the answers of a function or of ONNX. Estimators give probabilities.
        batch_size: Records at a time, for a function or ONNX.

    Raises:
        InputError: A label that the model does not know, shapes that do not fit, answers that are
            not finite or no probabilities, or a model of another kind.

    Examples:
        >>> import torch
        >>> model = lambda x: torch.stack([x, -x], dim=1)  # logits of two classes
        >>> losses_of(model, torch.tensor([0.0, 3.0]), [0, 0]).round(4)
        array([0.6931, 0.0025])
    """
    log_p, labels = log_posteriors(model, x, y, outputs=outputs, batch_size=batch_size)
    losses: Array = -log_p[np.arange(len(labels)), labels]
    return losses


def log_posteriors(
    model: Any, x: ArrayLike, y: ArrayLike, *, outputs: Kind = "logits", batch_size: int = 256
) -> tuple[Array, NDArray[np.intp]]:
    """Return log-probabilities (N, C) and the columns of the true classes (N,); see `losses_of`."""
    check_numbers(at_least=1, batch_size=batch_size)
    labels = np.asarray(y)
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        name, answers = type(model).__name__, np.asarray(model.predict_proba(x), np.float64)
        kind: Kind = "probabilities"
        known = np.asarray(model.classes_)
    else:
        ask, name = _asked(model)
        parts = [
            np.asarray(ask(x[start : start + batch_size]), np.float64)  # type: ignore[index]
            for start in range(0, len(x), batch_size)  # type: ignore[arg-type]
        ]
        answers = np.concatenate(parts) if parts else np.zeros((0, 2))
        kind = outputs
        known = np.arange(answers.shape[-1])
    if answers.ndim != 2 or answers.shape[1] < 2 or labels.shape != answers.shape[:1]:
        raise InputError(
            f"{name}: answers {answers.shape}, labels {labels.shape}; it must answer (N, C), two "
            "classes or more, and y give one label per record"
        )
    return _logarithms(answers, kind, name), _columns_of(labels, known, name)


def _columns_of(labels: NDArray[Any], known: NDArray[Any], name: str) -> NDArray[np.intp]:
    """Column of each label among the classes that a model knows, whatever their order."""
    positions = {value: column for column, value in enumerate(known.tolist())}
    try:
        return np.array([positions[value] for value in labels.tolist()], np.intp)
    except (KeyError, TypeError) as error:
        strange = next(v for v in labels.tolist() if not _is_among(v, positions))
        raise InputError(
            f"{name}: label {quoted(strange)} is none of its classes, "
            f"{', '.join(map(str, list(positions)[:10]))}"
        ) from error


def _is_among(value: object, positions: dict[Any, int]) -> bool:
    try:
        return value in positions
    except TypeError:  # such as a list
        return False


def _logarithms(answers: Array, kind: Kind, name: str) -> Array:
    if not np.isfinite(answers).all():
        row = int((~np.isfinite(answers)).any(axis=1).argmax())
        raise InputError(f"{name}: the answer on record {row} is not finite")
    if kind == "logits":
        return np.asarray(log_softmax(answers, axis=1))
    off = np.abs(answers.sum(axis=1) - 1)
    if len(answers) and (answers.min() < 0 or off.max() > 1e-3):
        row = int((off + (answers.min(axis=1) < 0)).argmax())
        raise InputError(
            f"{name}: the answer on record {row} is no probability distribution (sum "
            f"{answers[row].sum():.4g}); are these logits?"
        )
    return np.log(np.maximum(answers, LEAST))


def _asked(model: Any) -> tuple[Callable[[Any], Any], str]:
    """A function from some records to answers, and the model's name."""
    if isinstance(model, (str, Path)):
        return _of_onnx(Path(model)), str(model)
    if not callable(model) or isinstance(model, type):
        raise InputError(
            f"model is a {type(model).__name__}: give a fitted estimator with predict_proba and "
            "classes_, a torch module or function, or the path of an .onnx file"
        )
    return _of_torch(model), getattr(model, "__name__", type(model).__name__)


def _of_onnx(path: Path) -> Callable[[Any], Any]:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{path}: needs onnxruntime; pip install 'sterling[onnx]'") from error
    with open_regular(path, "ONNX file") as file:
        content = file.read()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised as well
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common public base
        raise InputError(f"{path}: not a network that can be run ({_line(error)})") from error
    given = session.get_inputs()[0].name

    def ask(records: Any) -> Any:
        batch = np.asarray(records).astype(np.float32)
        try:
            return session.run(None, {given: batch})[0]
        except Exception as error:
            raise InputError(
                f"{path}: cannot answer records of shape {batch.shape} ({_line(error)})"
            ) from error

    return ask


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _of_torch(model: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import torch

    def ask(records: Any) -> Any:
        batch = torch.as_tensor(records)
        if isinstance(model, torch.nn.Module):
            first = next(model.parameters(), None)
            if first is not None:
                moves = first.is_floating_point() and batch.is_floating_point()
                batch = batch.to(first.device, first.dtype if moves else None)
        with torch.no_grad(), _evaluating(model):
            answer = model(batch)
        return answer.numpy(force=True) if isinstance(answer, torch.Tensor) else answer

    return ask


@contextmanager
def _evaluating(model: object) -> Iterator[None]:
    """Put a module into evaluation mode, and each of its parts back into its own."""
    import torch

    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [one.training for one in modules]
    for one in modules:
        one.training = False
    try:
        yield
    finally:
        for one, mode in zip(modules, modes, strict=True):
            one.training = mode
