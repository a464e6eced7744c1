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
