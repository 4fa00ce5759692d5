"""What a representation is worth, and how many directions it has left; nothing here trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._late import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = Any  # float arrays, single or double


def knn_accuracy(
    train: Array, labels: Array, test: Array, test_labels: Array, k: int, temperature: float = 0.1
) -> float:
    """Share of `test` (m, d) told right by the `k` nearest of `train` (n, d) in cosine similarity.

    A neighbour's vote weighs exp(similarity / temperature) (Wu, Xiong, Yu & Lin 2018, section 3.4).
    """
    classifier = need("sklearn.neighbors", "train").KNeighborsClassifier(
        min(k, len(train)), metric="cosine", algorithm="brute", weights=lambda gap: np.exp((1 - gap) / temperature)
    )
    return float(classifier.fit(train, labels).score(test, test_labels))


def linear_accuracy(train: Array, labels: Array, test: Array, test_labels: Array, ridge: float = 1e-3) -> float:
    """Share of `test` (m, d) told right by ridge regression of one-hot labels on `train` (n, d), with a constant.

    Features are scaled together so that their mean square is 1, and not each on its own: what is
    tiny beside the common part of all features is not blown up. `ridge` is relative to that.
    """
    scale = float(np.sqrt(np.mean(np.square(train, dtype=np.float64))))
    if not scale > 0:
        return float((test_labels == np.bincount(labels).argmax()).mean())
    # on one-hot labels, +1 and -1: the ridge of a sum over images, on features of mean square 1
    classifier = need("sklearn.linear_model", "train").RidgeClassifier(ridge * len(train))
    x, asked = train.astype(np.float64) / scale, test.astype(np.float64) / scale
    return float(classifier.fit(x, labels).score(asked, test_labels))


def correlation_eigenvalues(z: Array) -> NDArray[np.float64]:
    """Eigenvalues of E[z z'], descending, for features `z` (n, d): the F of the theory, with its mean left in."""
    z = z.astype(np.float64)
    return np.maximum(np.linalg.eigvalsh(z.T @ z / len(z))[::-1], 0)


def effective_rank(z: Array) -> float:
    """exp of the entropy of the eigenvalues of the covariance of `z` (n, d), as shares of their sum; 0 if all are 0.

    Roy & Vetterli 2007, with the eigenvalues of the covariance for the singular values.
    """
    z = z.astype(np.float64) - z.mean(axis=0, dtype=np.float64)
    shares = np.maximum(np.linalg.eigvalsh(z.T @ z), 0)
    if not shares.sum() > 0:
        return 0.0
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def spread(z: Array) -> float:
    """sqrt(1 - |E[z / |z|]|^2) of `z` (n, d): 0 if all features point one way, 1 if they point everywhere alike.

    The standard deviation that Chen & He 2021 (figure 2) watch, of all components together.
    """
    mean = _unit(z).mean(axis=0)
    return float(np.sqrt(max(0.0, 1 - float(mean @ mean))))


def _unit(z: Array) -> Array:
    length = np.linalg.norm(z.astype(np.float64), axis=1, keepdims=True)
    return z / np.where(length > 0, length, 1)
