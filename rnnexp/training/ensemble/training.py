"""The training loop of many networks."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from rnnexp.recurrence.fused.compilation import side_by_side
from rnnexp.training.ensemble.members import Member, Sums
from rnnexp.training.ensemble.optimizing import RowOptimizer
from rnnexp.training.ensemble.scoring import Given, Scored, batched, bytes_of, cut, given_of, stacked
from rnnexp.training.ensemble.stack import Block, Stack
from rnnexp.training.interruption import stop_requests
from rnnexp.training.progress import Progress
from rnnexp.training.stages import check_stage

WORTH_A_THREAD = 1e6  # bytes of trials and noise of a network from which they are drawn on several threads
BLOCK_BYTES = 32e6  # of trials and noise of networks computed at once: 164 MB took FR_RNN_dale 16 % longer
Reason = str | Exception | None
"""Why a network leaves: a sentence, what stopped it, or None for one that must go on alone."""


class CannotBeOneError(Exception):
    """These networks cannot be trained together; the message says why. Nothing was changed."""


class Ensemble:
    """Trains many networks of one structure, update by update.

    A network that is done, or that fails, leaves; the others go on.

    Args:
        members: two or more, alike, see `rnnexp.training.ensemble.alike`.

    Raises:
        CannotBeOneError: a part of a user does not work for many networks at once.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)
        self._restack()
        self._try_out()

    def _restack(self) -> None:
        """Gather the parameters of those that are left."""
        models = [member.session.parts.model for member in self.members]
        self._stack = Stack(models)
        self._optimizer = RowOptimizer(
            self._stack, [member.session.parts.optimizer for member in self.members]
        )
        losses = [member.session.parts.loss for member in self.members]
        self._keys = list(dict.fromkeys(key for loss in losses for key in loss.used))
        self._score = batched(Scored(models[0], losses[0], self._keys))
        self._blocks: list[Block] = []
        self._is_much = False
        self._sums = Sums(len(self.members))
        self._clip_norms = self._stack.values.new_tensor(
            [member.trainer.clip_norm for member in self.members]
        )
        self._weights: dict[str, Tensor] | None = None

    def _try_out(self) -> None:
        """See on the first trials whether what a network gets among others is what it gets alone."""
        member = self.members[0]
        session = member.session
        n_trials = min(2, session.validation.n_trials)
        trials = session.validation[:n_trials]
        generator = torch.Generator().manual_seed(0)
        given = given_of(session.parts.model, trials, generator)
        buffers = {name: b.clone() for name, b in session.parts.model.named_buffers()}
        with torch.no_grad():
            trajectory = session.parts.model(trials, torch.Generator().manual_seed(0))
            alone = session.loss(trajectory, trials, session.parts.model)
        for name, buffer in session.parts.model.named_buffers():
            if not torch.equal(buffer.nan_to_num(), buffers[name].nan_to_num()):
                buffer.copy_(buffers[name])
                raise CannotBeOneError(f"the network changes its buffer {name} as it runs")
        try:
            block = self._stack.block(slice(0, 2))
            self._weights = self._present_weights()
            raw = self._score({**block.leaves, **block.fixed}, stacked([given] * 2))
            unused = block.add_gradients(self._weighted(raw, block.networks)["loss"].sum(), is_first=True)
        except Exception as error:
            raise CannotBeOneError(str(error).splitlines()[0] if str(error) else repr(error)) from error
        if unused:
            raise CannotBeOneError(
                f"the loss does not depend on {unused[0]}, which optimizers leave alone then"
            )
        for key, value in alone.raw.items():
            if not torch.allclose(raw[key][0].double(), value.double(), rtol=1e-3, atol=1e-6, equal_nan=True):
                raise CannotBeOneError(f"the loss term {key} is not the same for one of many networks")

    def train(self) -> Iterator[tuple[Member, Reason]]:
        """Make the updates of all; yields each network as it leaves, and why.

        Raises:
            KeyboardInterrupt: a signal asked to stop; the last.pt of all that are left hold the state of that moment.
        """
        first = self.members[0]
        n_steps = max(member.trainer.n_steps for member in self.members)
        with (
            stop_requests() as asked_to_stop,
            Progress(
                n_steps, first.trainer.batch_size, first.session.state.step, first.trainer.show_bar
            ) as progress,
        ):
            ended = {member: self._already_ended(member) for member in self.members}
            yield from self._leave({member: why for member, why in ended.items() if why is not None})
            while self.members:
                leaving = self.update()
                progress.step()
                for member in self.members:
                    if member not in leaving:
                        leaving |= self._look(member, asked_to_stop())
                yield from self._leave(leaving)
                if asked_to_stop() and self.members:
                    for number, member in enumerate(self.members):
                        with member.at_work():
                            self._hand_over(number)
                            member.session.save("last.pt")
                    raise KeyboardInterrupt("stopped by a signal")

    def _already_ended(self, member: Member) -> str | None:
        if member.session.state.step >= member.trainer.n_steps or member.session.all_stages_passed:
            return member.trainer.end(member.session)
        return member.trainer.already_ended(member.session)

    def update(self) -> dict[Member, Reason]:
        """Make one update of all; returns those that failed."""
        rows, failed = self._prepared()
        if not rows:
            return failed
        values, total = self._gradients(rows)
        norms = self._clipped()
        values["grad_norm"] = norms
        finite = (total + norms).isfinite().tolist()
        kept = [True] * len(self.members)
        for number, member in enumerate(self.members):
            if not finite[number]:
                kept[number] = False
                losses = {name: values[name][number] for name in self._columns(member)}
                with member.at_work():
                    try:
                        member.trainer.trouble.is_kept_out(
                            member.session, member.trials, losses, norms[number]
                        )
                    except Exception as error:
                        failed[member] = error
                self._optimizer.look_for_restored()
            member.session.state.step += 1
        self._step([number for number, is_kept in enumerate(kept) if is_kept])
        self._sums.add(values, kept)
        return failed

    def _prepared(self) -> tuple[list[Given], dict[Member, Reason]]:
        """Return what each network needs for the update; drawn side by side where there is much of it.

        Those whose task fails to make trials are left out from now on; they are the second value.
        """
        members = self.members

        def prepared(number: int) -> Given | Exception:
            try:
                return members[number].prepare()
            except Exception as error:
                return error

        together = self._is_much and not any(member.draws_globally for member in members)
        numbers = range(len(members))
        found = side_by_side(prepared, len(members)) if together else [prepared(k) for k in numbers]
        failed = {m: why for m, why in zip(members, found, strict=True) if isinstance(why, Exception)}
        rows = [row for row in found if not isinstance(row, Exception)]
        if failed:
            self._let_go(failed)
        if rows:
            self._is_much = bytes_of(rows[0]) > WORTH_A_THREAD
        return rows, failed

    def _gradients(self, rows: Sequence[Given]) -> tuple[dict[str, Tensor], Tensor]:
        """Fill the gradients; returns the columns (K,) of the update and the loss (K,)."""
        if not self._blocks:
            size = max(2, int(BLOCK_BYTES / bytes_of(rows[0])))
            self._blocks = [self._stack.block(slice(k, k + size)) for k in range(0, len(rows), size)]
        if self._weights is None or any(member.session.parts.loss.is_scheduled for member in self.members):
            self._weights = self._present_weights()
        found = [self._gradients_of(block, stacked(rows[block.networks])) for block in self._blocks]
        values = {name: torch.cat([values[name] for values in found]) for name in found[0]}
        return values, values["loss"]

    def _gradients_of(self, block: Block, whole: Given) -> dict[str, Tensor]:
        chunk_size = self.members[0].trainer.chunk_size
        n_trials, sums = whole["inputs"].shape[1], {}
        for start in range(0, n_trials, chunk_size):
            is_whole = chunk_size >= n_trials
            share = 1.0 if is_whole else min(chunk_size, n_trials - start) / n_trials
            chunk = whole if is_whole else cut(whole, start, start + chunk_size)
            values = self._weighted(self._score({**block.leaves, **block.fixed}, chunk), block.networks)
            block.add_gradients((values["loss"] * share).sum(), is_first=start == 0)
            for name, value in values.items():
                value = value.detach() * share
                sums[name] = sums[name] + value if name in sums else value
        return sums

    def _present_weights(self) -> dict[str, Tensor]:
        """Return the weights (K,) of the terms in this update."""
        tables = [member.session.loss.weights for member in self.members]
        like = self._stack.values
        return {key: like.new_tensor([table[key] for table in tables]) for key in self._keys}

    def _weighted(self, raw: dict[str, Tensor], networks: slice) -> dict[str, Tensor]:
        """Return the columns of an update, (k,), of terms before their weights; the loss first."""
        values, parts = {}, []
        for key, value in raw.items():
            weights = self._weights[key][networks]
            weighted = torch.where(weights == 0, 0.0, weights * value)
            values[key], values[f"raw_{key}"] = weighted, value
            parts.append(weighted)
        return {"loss": sum(parts[1:], parts[0]), **values}

    def _columns(self, member: Member) -> list[str]:
        """Return the names of the values of an update that a network alone would have, the gradient norm left out."""
        loss = member.session.loss
        return ["loss", *loss.used, *(f"raw_{key}" for key in loss.listed_raw)]

    def _clipped(self) -> Tensor:
        """Clip the gradients; returns their norms before that, (K,)."""
        for member in self.members:
            member.session.parts.model.mask_gradients()
        norms = self._stack.norms()
        total = torch.linalg.vector_norm(norms, dim=0)
        clip = self.members[0].trainer.clip
        if clip == "per_variable":
            factors = (norms / self._clip_norms).clamp(min=1.0)
            for segment, factor in zip(self._stack.segments, factors, strict=True):
                self._stack.gradients[:, segment] /= factor[:, None]
        elif clip == "norm":
            self._stack.gradients *= (self._clip_norms / total).clamp(max=1.0)[:, None]
        return total

    def _step(self, chosen: Sequence[int]) -> None:
        models = [self.members[number].session.parts.model for number in chosen]
        scaled = [model.constrained_update() for model in models]
        for context in scaled:
            context.__enter__()
        self._optimizer.step(chosen)
        for context in scaled:
            context.__exit__(None, None, None)

    def _look(self, member: Member, is_stopping: bool) -> dict[Member, Reason]:
        """Do what is due after an update; returns the network and why it leaves, nothing if it stays."""
        trainer, session = member.trainer, member.session
        state, curriculum = session.state, session.parts.curriculum
        is_due = trainer.evaluates_at(state.step)
        checks = curriculum is not None and state.step % curriculum.check_every == 0
        saves = trainer.save_every and state.step % trainer.save_every == 0
        if not (is_due or checks or saves):
            return {}
        number, n_steps = self.members.index(member), session.task.n_steps
        with member.at_work():
            try:
                self._hand_over(number)
                is_new_stage = check_stage(session, trainer.eval_batch_size)
                early = None
                if is_new_stage or is_due:
                    metrics = trainer.evaluate(session)
                    self._optimizer.look_for_restored()
                    speed = state.step * trainer.batch_size / session.seconds
                    member.lines.evaluated(state.step, state.validation["loss"], metrics, speed)
                    early = trainer.early_end(session)
                if early and not is_stopping:
                    return {member: early}
                if saves:
                    session.save(f"step_{state.step:07d}.pt")
                if state.step >= trainer.n_steps or session.all_stages_passed:
                    return {member: trainer.end(session)}
                if is_new_stage and session.task.n_steps != n_steps:
                    return {member: None}
            except Exception as error:
                return {member: error}
        return {}

    def _hand_over(self, number: int) -> None:
        """Let the state of one network hold all that a checkpoint needs."""
        member = self.members[number]
        self._sums.hand_over(number, member.session, [*self._columns(member), "grad_norm"])
        self._optimizer.count(number)

    def _leave(self, leaving: dict[Member, Reason]) -> Iterator[tuple[Member, Reason]]:
        if leaving:
            self._let_go(leaving)
            yield from leaving.items()

    def _let_go(self, leaving: dict[Member, Reason]) -> None:
        """Go on without some networks."""
        for number in range(len(self.members)):
            self._hand_over(number)
        self.members = [member for member in self.members if member not in leaving]
        if self.members:
            self._restack()
