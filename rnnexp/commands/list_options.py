"""`rnnexp list [GROUP]`: the options of every group, one line each."""

from rnnexp.config.arguments import UsageError, parse
from rnnexp.config.paths import bundled_conf, description, options_by_group, user_directories
from rnnexp.config.suggestions import did_you_mean

HELP = """\
usage: rnnexp list [GROUP] [--config-dir DIR]

Options of a group, or of all of them, with a line about each. Your own configurations are listed too.

examples
  rnnexp list
  rnnexp list task"""


def main(words: list[str]) -> int:
    """Print the options; returns the exit code.

    Args:
        words: what follows `rnnexp list`.

    Raises:
        UsageError: more than one group, or a flag that does not belong here.
        UserError: the folder of --config-dir does not exist.
    """
    arguments = parse(words)
    if arguments.help:
        print(HELP)
        return 0
    options = options_by_group(user_directories(arguments.config_dir))
    if len(arguments.overrides) > 1:
        raise UsageError(f"{' '.join(arguments.overrides)}: must be one group, or none for all of them")
    wanted = arguments.overrides[0] if arguments.overrides else None
    if wanted is not None and wanted not in options:
        raise UsageError(f"{wanted}: there is no such group{did_you_mean(wanted, options)}")
    groups = {wanted: options[wanted]} if wanted is not None else options
    width = max(len(f"{group}={name}") for group, files in groups.items() for name in files)
    for group, files in groups.items():
        for name, path in files.items():
            origin = "" if path.is_relative_to(bundled_conf()) else f"  ({path})"
            print(f"{f'{group}={name}':<{width}}  {description(path)}{origin}".rstrip())
    return 0
