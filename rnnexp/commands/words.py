"""Words of command lines without a configuration: key=value beside names."""

from collections.abc import Collection

from rnnexp.errors import UserError


def add_setting(settings: dict[str, str], word: str, allowed: Collection[str]) -> None:
    """Add a word key=value to settings.

    Raises:
        UserError: there is no such key, or it is given twice.
    """
    key, _, value = word.partition("=")
    if key not in allowed:
        raise UserError(f"{key}: unknown key: must be one of {', '.join(allowed)}")
    if key in settings:
        raise UserError(f"{key}: {value}: is given twice, {settings[key]} before")
    settings[key] = value
