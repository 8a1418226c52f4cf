"""A classifier trained on shadow models' outputs (Shokri et al., 2017): f_bc of MIAFdR.

A shadow model's training set is known, so its outputs show what members and non-members look like.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sterling.errors import InputError
from sterling.privacy.membership.phi import check_outputs, phi


class ShadowClassifier:
    """One logistic regression per class on φ and the sorted log-posterior.

    Shokri et al. train one network per class on the posterior; the regression and its features
    are ours.
    """

    def fit(self, logits: ArrayLike, labels: ArrayLike, member: ArrayLike) -> "ShadowClassifier":
        """Learn from shadow models.

        Args:
            logits: (shadows, records, classes).
            labels: The true classes, (records,).
            member: Which shadow was trained on which record, (shadows, records). These records
                cannot calibrate a guarantee.

        Raises:
            InputError: Shapes that do not fit, or a class of which all records are members, or
                none is.
        """
        z, y = check_outputs(logits, labels)
        inside = np.asarray(member, dtype=np.bool_)
        if z.ndim != 3 or inside.shape != z.shape[:2]:
            raise InputError(
                f"logits have shape {z.shape}, member {inside.shape}; give (shadows, records, "
                "classes) and (shadows, records)"
            )
        features = _features(z, y)
        self._per_class = {}
        for label in range(z.shape[-1]):
            rows = y == label
            if not rows.any() or inside[:, rows].all() or not inside[:, rows].any():
                raise InputError(
                    f"class {label} has no member or no non-member among the shadow models' "
                    "records; use more"
                )
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            x = features[:, rows].reshape(-1, features.shape[-1])
            self._per_class[label] = model.fit(x, inside[:, rows].ravel())
        return self

    def nonmember_probability(self, logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
        """The probability u = f_bc(y) that each record is *not* a member, (records,).

        Args:
            logits: Of the target, (records, classes).
            labels: The true classes, (records,).
        """
        z, y = check_outputs(logits, labels)
        features, u = _features(z, y), np.empty(len(y))
        for label in np.unique(y).tolist():
            rows = y == label
            u[rows] = self._per_class[label].predict_proba(features[rows])[:, 0]
        return u


def _features(z: NDArray[np.float64], y: NDArray[np.intp]) -> NDArray[np.float64]:
    posterior = np.sort(log_softmax(z, axis=-1), axis=-1)
    return np.concatenate([phi(z, y)[..., None], posterior], axis=-1)
