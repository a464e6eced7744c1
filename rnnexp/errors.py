"""Errors that a user caused and can mend: shown as one sentence, without a traceback."""


class UserError(Exception):
    """What the user asked for cannot be done; the message names the key, the value and what is allowed."""


class ConfigError(UserError):
    """One or more entries of the configuration are wrong.

    Args:
        problems: one line each, `key: value: what is allowed`.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[list[str]]]:
        return type(self), (self.problems,)


def reason_of(error: BaseException) -> str:
    """Return why something failed: the message of an error that is meant for the user, else with its type."""
    if isinstance(error, UserError):
        return str(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
