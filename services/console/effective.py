"""Settings as people read them: the commented default file, and the values in effect.

What: turns the tree of settings into text and plain values. Why: the file that is shipped says what the code says, and what a
process would take is seen before it is started. It must not show a secret.
"""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.chassis.settings import Settings, paths, settings_file


def default_file() -> str:
    """Return the commented settings file with every default; neither as it is nor uncommented does it change anything."""
    lines = [
        "# Every setting with its default. Remove the # before a key to change it.",
        "# Read from the file that COMITY_CONFIG names, else from comity.toml in the folder in which a process starts; a variable of",
        "# the environment wins over it: COMITY_HTTP__PORT for port under [http].",
        '# Where "none" stands behind a key, the empty text is no value.',
        "",
    ]
    section = ""
    for path, (default, description) in paths().items():
        group, _, key = path.rpartition(".")
        if group != section:
            section = group
            about = (type(Settings.model_fields[group].default).__doc__ or "").strip()
            lines += ["", f"[{group}]", f"# {about}"]
        lines += [f"# {description}", f"# {key} = {_toml(default)}"]
    return "\n".join(lines) + "\n"


def source() -> str:
    """Return which settings file is read here, in one sentence. Raises SettingsError if the one that is named is not there."""
    file = settings_file()
    if file is None:
        return (
            "No settings file is read: COMITY_CONFIG names none, and there is no comity.toml in this folder."
        )
    return f"The settings file that is read here is {file.resolve()}."


def describe(settings: Settings) -> dict[str, Any]:
    """Return the settings in effect as plain values by dotted path; secrets show only whether they are set."""
    plain: dict[str, Any] = {}
    for path in paths():
        value: Any = settings
        for part in path.split("."):
            value = getattr(value, part)
        if isinstance(value, SecretStr):
            value = "(set, hidden)"
        plain[path] = str(value) if isinstance(value, Path) else value
    return plain


def _toml(value: Any) -> str:
    if value is None:
        return '""  # none'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
