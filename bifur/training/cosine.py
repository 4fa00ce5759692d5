"""Training by the exact cosine loss: many networks on batches of views, for a set number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._late import need
from bifur.atlas.validation import INCONCLUSIVE
from bifur.training.data import Place, Streams, eigenvalues, host
from bifur.training.journal import Journal
from bifur.training.models import cosine_loss, descend, weight_decay
from bifur.training.run import AT_TIME, BLEW_UP, Outcome, Report, Runs, one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

torch = need("torch", "train")

LARGEST_TENSOR = 400_000  # numbers in a tensor of samples: beyond it a step leaves the processor's cache


@one_thread()
def train_cosine(
    runs: Runs, steps: int, checkpoints: int, streams: Streams, report: Report | None = None,
    journal: Journal | None = None, place: Place | None = None,
) -> Outcome:  # fmt: skip
    """Train the exact cosine loss of every batch for `steps` steps; norms and eigenvalues at equal times from 0 on.

    Weights that reach the singularity of the loss (a vanished norm) turn into NaN, and stay so. What a `journal` holds
    is gone on from.
    """
    place = place or Place()
    weights, basis = tuple(place.put(weight) for weight in runs.start.weights), runs.start.basis
    basis = None if basis is None else place.put(basis)
    r, h = weights[0].shape[:2]
    marks = np.rint(np.linspace(0, steps, checkpoints)).astype(int)
    sigma2, rho, rate = place.put(runs.sigma2), place.put(runs.rho), place.put(runs.rate)[:, None, None]
    stream = torch.from_numpy(runs.stream).to(place.device)
    chunk = max(1, LARGEST_TENSOR // (streams.shape[1] * h))
    parts = [slice(low, low + chunk) for low in range(0, r, chunk)]
    norms, path, first = [], [], 0
    kept = journal.load() if journal is not None else None
    if kept is not None:
        weights = tuple(place.put(kept[name]) for name in ("encoder", "predictor"))
        first, norms, path = int(kept["step"]), list(kept["norms"]), list(kept["path"])
        streams.restore(kept["generator"])
    pieces = [tuple(weight[part] for weight in weights) for part in parts]
    values, misalignment = eigenvalues(tuple(weights), basis)
    for step in range(first, steps + 1):
        if step in marks:
            weights = _joined(pieces)
            values, misalignment = eigenvalues(weights, basis)
            norms.append(network_norms(weights))
            path.append(values[..., 1])
            if report is not None:
                report(step, steps)
        if step == steps:
            break
        drawn = streams.draw()
        for index, part in enumerate(parts):
            x1, x2 = views_of(drawn, stream[part], sigma2[part])

            def loss(w: Any, x1: Any = x1, x2: Any = x2, part: slice = part) -> Any:
                return cosine_loss(w, x1, x2) + weight_decay(w, rho[part])

            pieces[index] = descend(loss, pieces[index], rate[part])
        if journal is not None and journal.due:
            encoder, predictor = (host(weight) for weight in _joined(pieces))
            kept = {"step": np.array(step + 1), "norms": np.array(norms), "path": np.array(path)}
            journal.save(kept | {"encoder": encoder, "predictor": predictor, "generator": streams.state()})
    final = values[..., 1:]
    lost = ~np.isfinite(final).all(axis=(1, 2))
    return Outcome(
        np.full((r, h), INCONCLUSIVE, np.int8), final, values[..., 0],
        np.full(r, steps), runs.rate * steps, misalignment,
        np.where(lost, BLEW_UP, AT_TIME).astype(object),
        {"norms": np.stack(norms, axis=1), "path": np.stack(path, axis=1), "marks": marks.astype(np.float64)},
    )  # fmt: skip


def _joined(pieces: list[Any]) -> tuple[Any, ...]:
    return tuple(torch.cat(columns) for columns in zip(*pieces, strict=True))


def views_of(drawn: tuple[Any, Any, Any], stream: Any, sigma2: Any) -> tuple[Any, Any]:
    """Both views (r, b, d) from the originals and the noise of a batch."""
    x0, e1, e2 = drawn
    sigma = sigma2.sqrt()[:, None, None]
    originals = x0[stream]
    return originals + sigma * e1[stream], originals + sigma * e2[stream]


def network_norms(weights: Any) -> NDArray[np.float64]:
    """(r, 3): ||Phi||_F, ||W Phi||_F, tr(Phi' W Phi) / ||W Phi||_F^2."""
    encoder, predictor = weights
    output = predictor @ encoder
    square = (output**2).sum(dim=(-2, -1))
    cross = (encoder * output).sum(dim=(-2, -1)) / square
    return (
        torch.stack([(encoder**2).sum(dim=(-2, -1)).sqrt(), square.sqrt(), cross], dim=-1)
        .cpu()
        .to(torch.float64)
        .numpy()
    )
