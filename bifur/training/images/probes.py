"""What a representation is worth, and how many directions it has left; nothing here trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = Any  # float arrays, single or double


def knn_accuracy(
    train: Array, labels: Array, test: Array, test_labels: Array, k: int, temperature: float = 0.1
) -> float:
    """Share of `test` (m, d) told right by the `k` nearest of `train` (n, d) in cosine similarity.

    A neighbour's vote weighs exp(similarity / temperature) (Wu, Xiong, Yu & Lin 2018, section 3.4).
    """
    base, asked = _unit(train).T, _unit(test)
    k = min(k, len(train))
    right = 0
    for first in range(0, len(asked), 1000):
        part = asked[first : first + 1000]
        similar = part @ base
        near = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        weight = np.exp(np.take_along_axis(similar, near, axis=1) / temperature)
        votes = np.zeros((len(part), int(labels.max()) + 1))
        np.add.at(votes, (np.arange(len(part))[:, None], labels[near]), weight)
        right += int((votes.argmax(axis=1) == test_labels[first : first + 1000]).sum())
    return right / len(asked)


def linear_accuracy(train: Array, labels: Array, test: Array, test_labels: Array, ridge: float = 1e-3) -> float:
    """Share of `test` (m, d) told right by ridge regression of one-hot labels on `train` (n, d), with a constant.

    Features are scaled together so that their mean square is 1, and not each on its own: what is
    tiny beside the common part of all features is not blown up. `ridge` is relative to that.
    """
    scale = float(np.sqrt(np.mean(np.square(train, dtype=np.float64))))
    if not scale > 0:
        return float((test_labels == np.bincount(labels).argmax()).mean())
    x, asked = train.astype(np.float64) / scale, test.astype(np.float64) / scale
    centre, mean = x.mean(axis=0), np.bincount(labels) / len(labels)
    x -= centre
    y = np.eye(len(mean))[labels] - mean
    weight = solve(x.T @ x / len(x) + ridge * np.eye(x.shape[1]), x.T @ y / len(x), assume_a="pos")
    return float((((asked - centre) @ weight + mean).argmax(axis=1) == test_labels).mean())


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
