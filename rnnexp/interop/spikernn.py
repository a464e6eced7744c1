"""spikeRNN's rate networks in MATLAB files, of the original and of the torch port; reads them with scipy."""

from pathlib import Path
from typing import Any

import numpy as np

from rnnexp.errors import UserError
from rnnexp.interop.network import LeakyNetwork, Rule, Tau

Array = np.ndarray
STEP_MS = 5.0  # spikeRNN counts time in steps of 5 ms
NEEDED = ("w", "w_in", "w_out", "b_out", "m", "som_m")
ACTIVATIONS = {"sigmoid": "sigmoid", "clipped_relu": "clipped_relu", "softplus": "clipped_softplus"}


def read_network(
    path: str | Path, transfer_function: str | None = None, tau: Tau | None = None, needs_tau: bool = True
) -> LeakyNetwork:
    """Read a .mat file of spikeRNN.

    Both layouts are understood: without and with taus, taus_gaus and activation; w as trained or rectified.
    Dale's law holds if there are inhibitory units; the recurrent weights are then relu(w) m som_m, else w m som_m.

    Args:
        path: the .mat file.
        transfer_function: a name of `rnnexp.latent_steps.activations`, in place of what the file holds.
        tau: ms, in place of what the file holds.
        needs_tau: refuse a file without taus, unless tau is given.

    Raises:
        UserError: the file cannot be used, or lacks something that is not given here.
    """
    file = _load(Path(path))
    missing = [name for name in NEEDED if name not in file]
    if missing:
        raise UserError(f"{path}: is no network of spikeRNN: it lacks {', '.join(missing)}")
    w, w_in, w_out, b_out, m, som_mask = (_numbers(path, file, name) for name in NEEDED)
    if not w.shape == m.shape == som_mask.shape == (len(w), len(w)):
        raise UserError(
            f"{path}: w, m and som_m must be square and of one size, got {w.shape}, {m.shape}, {som_mask.shape}"
        )
    signs = np.diagonal(m).copy()
    has_dale = bool((signs < 0).any())
    W_rec = (np.maximum(w, 0) if has_dale else w) * signs * som_mask
    network = LeakyNetwork(
        W_in=w_in,
        W_rec=W_rec,
        W_out=w_out.reshape(1, -1),
        b_rec=None,
        b_out=b_out.ravel(),
        init_state=None,
        transfer_function=transfer_function or _transfer_function(path, file),
        rules={"W_rec": Rule(None if som_mask.all() else (som_mask != 0) * 1.0, signs if has_dale else None)},
        sign_rule="rectified" if has_dale else None,
    )
    network = network.with_tau(tau) if tau is not None else _with_own_tau(network, path, file, needs_tau)
    return network.check(path)


def _numbers(path: str | Path, file: dict[str, Any], name: str) -> Array:
    array = np.asarray(file[name])
    if array.dtype.kind not in "fiub":
        raise UserError(f"{path}: {name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def _with_own_tau(
    network: LeakyNetwork, path: str | Path, file: dict[str, Any], needs_tau: bool
) -> LeakyNetwork:
    taus = np.ravel(_numbers(path, file, "taus")) if "taus" in file else np.empty(0)
    if len(taus) == 0 and not needs_tau:
        return network
    if len(taus) == 1:
        return network.with_tau(STEP_MS * taus[0].item())
    if len(taus) != 2:
        raise UserError(f"{path}: holds no time constants (taus); say them with tau=..., in ms")
    if "taus_gaus" not in file:
        raise UserError(f"{path}: holds taus without taus_gaus; say the time constants with tau=..., in ms")
    low, high = (STEP_MS * taus).tolist()
    raw = np.ravel(_numbers(path, file, "taus_gaus"))
    return LeakyNetwork(**{**vars(network), "tau": {"min": low, "max": high}, "tau_raw": raw})


def _transfer_function(path: str | Path, file: dict[str, Any]) -> str:
    if "activation" not in file:
        raise UserError(
            f"{path}: does not say its activation; say it with transfer_function=sigmoid, or what it was"
        )
    name = str(np.ravel(file["activation"])[0]).strip()
    if name not in ACTIVATIONS:
        raise UserError(f"{path}: activation {name}: must be one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat  # slow to import

    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        return loadmat(path)
    except NotImplementedError as error:
        raise UserError(
            f"{path}: is a MATLAB 7.3 file; save it as version 7 in MATLAB, save(..., '-v7')"
        ) from error
    except Exception as error:  # scipy raises nearly anything for a damaged file
        raise UserError(f"{path}: cannot be read as a MATLAB file") from error
