"""The checks of a curriculum as a training goes on."""

import logging

from rnnexp.training.evaluation import evaluate
from rnnexp.training.state import Session

log = logging.getLogger(__name__)


def check_stage(session: Session, batch_size: int) -> bool:
    """Check the present stage on fresh trials if a check is due, and go on to the next stage if it is passed.

    Writes a row with split "curriculum", and the training row of a stage that is passed.

    Args:
        session: with the training after an update.
        batch_size: trials that are run at once.

    Returns:
        Whether the stage was passed.
    """
    curriculum, step = session.parts.curriculum, session.state.step
    if curriculum is None or step % curriculum.check_every:
        return False
    parts, stage = session.parts, session.stage
    trials = session.task.sample(
        curriculum.n_trials, session.generators["curriculum_trials"], parts.dtype, batch=step
    ).to(parts.device)
    noise = session.generators["curriculum_noise"]
    losses, metrics = evaluate(parts.model, session.task, session.loss, trials, batch_size, noise)
    values = {**losses, **metrics}
    session.append("curriculum", values)
    value = values[curriculum.metric]
    if not curriculum.is_passed(stage, value):
        return False
    log.info(
        "step %d: stage %d of the curriculum passed, %s %.4g reached %g",
        step, stage, curriculum.metric, value, curriculum.thresholds[stage],
    )  # fmt: skip
    session.append_training_row()
    session.pass_stage()
    return True
