"""The device that is asked for, checked before anything is computed."""

from __future__ import annotations

from typing import Any

from bifur._late import need

torch = need("torch", "train")


def checked_device(device: Any) -> str:
    """The device as torch names it.

    Raises
    ------
    ValueError
        torch knows no such device, or has none here.
    """
    try:
        known = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"`device` is {device!r}; accepted are 'cpu', 'cuda' and 'cuda:0', 'cuda:1', ...") from None
    if known.type not in ("cpu", "cuda"):
        raise ValueError(f"`device` is {device!r}; accepted are 'cpu', 'cuda' and 'cuda:0', 'cuda:1', ...")
    if known.type == "cuda" and (known.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(f"`device` is {device!r}, but torch finds {count or 'no'} GPU{'s' * (count != 1)} here")
    return str(device)
