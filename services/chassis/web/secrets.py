"""Secrets that this system makes for itself and keeps in files that only its own user can read."""

import hmac
import os
import secrets
from pathlib import Path

from services.chassis.settings import Settings


def cursor_key(settings: Settings) -> bytes:
    """Return the key that seals cursors: the one in the settings, else that in data_folder, made when it is missing.

    Processes that serve the same lists behind one address must share it: by the setting, or by the folder.
    """
    if settings.http.cursor_key is not None:
        return settings.http.cursor_key.get_secret_value().encode()[:64]
    return kept_secret(settings.data_folder / "cursor.key")


def service_secret(settings: Settings, client: str) -> str:
    """Return the secret by which a service, under this client id, gets its tokens; whoever holds the key can make it.

    The key is the one in the settings, else in data_folder. Processes of one system must share it, as the cursors' key.
    """
    given = settings.identity.service_key
    key = (
        kept_secret(settings.data_folder / "service.key")
        if given is None
        else given.get_secret_value().encode()
    )
    return hmac.new(key, client.encode(), "sha256").hexdigest()


def kept_secret(path: Path) -> bytes:
    """Return the 32 bytes in the file; if there is none, make it, readable by its owner only, in one step."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        write_once(path, secrets.token_bytes(32))
        return path.read_bytes()


def write_once(path: Path, content: bytes) -> bool:
    """Write a new file of mode 0600, whole or not at all. Returns False if somebody else was first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails if the file exists, unlike a rename
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
