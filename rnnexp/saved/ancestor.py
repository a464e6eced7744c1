"""A trained network that another one begins with: its masks and signs, its weights, its optimizer."""

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from rnnexp.building.learning import freeze, groups_of_names
from rnnexp.config.targets import is_own
from rnnexp.constraints.parameter_names import matching, parameters_by_name
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.errors import UserError
from rnnexp.interop.parameters import adopt_signs, set_weights, weight_arrays
from rnnexp.models import RNN
from rnnexp.saved.model import SavedModel, load_model
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.checkpoint_file import checkpoint_file, checkpoint_paths
from rnnexp.training.records import file_checksum

log = logging.getLogger(__name__)
Config = dict[str, Any]
RULES = ("constraint", "connectivity")
STRUCTURE = (*RULES, "latent_step", "observation", "initial_state")


class Ancestor:
    """The network of a checkpoint, as `init_from` names it.

    Where latent step, observation, initial state, constraint and connectivity are those of the ancestor, raw
    parameters are copied bit for bit, masks and signs included; else its effective weights are set, as far as the new
    rules allow them.

    Args:
        config: of the new network, with init_from, init_weights and init_optimizer.
            Foreign classes that the checkpoint names were allowed, or refused, when this was composed.

    Raises:
        UserError: there is no such checkpoint, or it is damaged.
    """

    def __init__(self, config: Config) -> None:
        self.file = checkpoint_file(config["init_from"], "init_from").absolute()
        self.origin = f"init_from={config['init_from']}"
        self._new = config
        self._record = load_checkpoint(self.file)
        self._old: Config = self._record["config"]

    def facts(self, directory: Path) -> dict[str, Any]:
        """Return what run.json in a directory keeps of the ancestor."""
        return {
            **checkpoint_paths(self.file, directory),
            "sha256": file_checksum(self.file),
            "step": self._record["state"]["step"],
        }

    @cached_property
    def _saved(self) -> SavedModel:
        device = {"name": "cpu", "dtype": "float64", "threads": self._new["device"]["threads"]}
        return load_model({"checkpoint": str(self.file), "trust": True, "device": device})

    def _shares(self, parts: tuple[str, ...]) -> bool:
        """Whether parts are the same; those of the user are when their class is, whatever its settings."""
        return all(self._old[part] == self._new[part] or self._is_foreign(part) for part in parts)

    def _is_foreign(self, part: str) -> bool:
        nodes = [config[part] for config in (self._old, self._new)]
        targets = {str(node["_target_"]) for node in nodes if isinstance(node, dict)}
        return len(targets) == 1 and not is_own(targets.pop())

    def give_rules(self, model: RNN) -> None:
        """Let drawn masks and signs be those of the ancestor, where constraint and connectivity are."""
        if not self._shares(RULES):
            return
        for name, module in model.named_modules():
            if isinstance(module, WeightRule):
                for kind, own in module.named_buffers():
                    given = self._record["model"].get(f"{name}.{kind}")
                    if given is not None and given.shape == own.shape:
                        own.copy_(given)

    def give_weights(self, model: RNN) -> None:
        """Set the weights that init_weights chooses; the others stay as they were drawn.

        Raises:
            UserError: a pattern matches nothing, or weights have another size or break rules of the new network.
        """
        try:
            taken = self._copy(model) if self._shares(STRUCTURE) else self._set(model)
        except ValueError as error:
            raise UserError(str(error)) from error
        anew = [
            name for name, p in parameters_by_name(model).items() if p.requires_grad and name not in taken
        ]
        log.info(
            "%s: begins with its %s%s", self.origin, ", ".join(taken), f"; anew: {', '.join(anew)}" if anew else ""
        )  # fmt: skip

    def _copy(self, model: RNN) -> list[str]:
        """Copy raw parameters; returns their plain names."""
        parameters, state = parameters_by_name(model), self._record["model"]
        full = {id(parameter): name for name, parameter in model.named_parameters()}
        names = matching(self._new["init_weights"], parameters, "init_weights")
        problems = []
        for name in names:
            own, given = parameters[name], state.get(full[id(parameters[name])])
            if given is None:
                problems.append(f"it has no {name}")
            elif given.shape != own.shape:
                problems.append(
                    f"its {name} has the shape {tuple(given.shape)}, this network needs {tuple(own.shape)}"
                )
            elif not given.isfinite().all():
                problems.append(f"its {name} is not finite")
            else:
                own.data.copy_(given)
        if problems:
            raise ValueError(f"{self.origin}: {'; '.join(problems)}; init_weights=[...] takes only some")
        return names

    def _set(self, model: RNN) -> list[str]:
        """Set effective weights; returns their names."""
        weights = weight_arrays(self._saved.model)
        if self._new["initial_state"] != self._old["initial_state"] and not model.z0.requires_grad:
            weights.pop("z0", None)  # a setting of the new network
        plain = [name for name in weights if name.removesuffix("_raw") == name]
        takes_all = "*" in self._new["init_weights"]
        names = plain if takes_all else matching(self._new["init_weights"], plain, "init_weights")
        if "W_rec" in names:
            adopt_signs(model, weights["W_rec"])
        set_weights(model, weights, self.origin, only=None if takes_all else names, chosen_by="init_weights")
        return names

    def give_optimizer(self, optimizer: Optimizer, model: RNN) -> None:
        """Let the moments of the ancestor's optimizer go on, with the learning rates of the new configuration.

        Raises:
            UserError: it was another optimizer, or it has no state of a weight that learns.
        """
        what = "init_optimizer: true"
        own, given = (node["optimizer"]["_target_"].rpartition(".")[2] for node in (self._new, self._old))
        if own != given:
            raise UserError(f"{what}: the optimizer of {self.origin} is {given}, this one is {own}")
        freeze(self._saved.model, self._old.get("freeze", []))
        states = dict(zip(_in_order(self._saved.model, self._old), self._states(), strict=False))
        mine, known = {}, parameters_by_name(self._saved.model)
        for index, name in enumerate(_in_order(model, self._new)):
            state = states.get(name)
            if not state or known[name].shape != parameters_by_name(model)[name].shape:
                raise UserError(f"{what}: {self.origin} has no state of {name}, which learns here")
            mine[index] = state
        optimizer.load_state_dict({"state": mine, "param_groups": optimizer.state_dict()["param_groups"]})

    def _states(self) -> list[dict[str, torch.Tensor]]:
        """Return the state of each parameter in the order of the ancestor's optimizer, empty where there is none."""
        record = self._record.get("optimizer") or {"state": {}, "param_groups": []}
        order = [index for group in record["param_groups"] for index in group["params"]]
        return [record["state"].get(index, {}) for index in order]


def _in_order(model: RNN, config: Config) -> list[str]:
    """Return the names of the parameters in the order in which an optimizer numbers them."""
    return [name for names, _ in groups_of_names(model, config.get("lr_of", {})) for name in names]
