"""The keys that sign tokens: files of mode 0600 in the data folder, the newest signs, all of them verify.

Rotation: `add_key` makes a newer one, which verifiers fetch when they meet its id; delete the old file once the last
token that it signed has expired. The files are read at each use of the set, so every process of this service sees them.
"""

import json
from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.chassis.web.secrets import write_once

SIGNING = "identity.signing"


class Signing:
    """The signing keys in one folder, in the runtime's state as SIGNING."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, dict[str, str]] = {}
        self._signer: tuple[str, Any] | None = None

    def ensure_key(self, now: datetime) -> None:
        """Make the first key if there is none."""
        if not self._keys():
            self.add_key(now)

    def add_key(self, now: datetime) -> str:
        """Make a new key, which signs from now on, and return its id."""
        key = Ed25519PrivateKey.generate()
        public = _coded(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        private = _coded(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
        thumbprint = json.dumps(
            {"crv": "Ed25519", "kty": "OKP", "x": public}, separators=(",", ":")
        )  # RFC 7638
        key_id = _coded(sha256(thumbprint.encode()).digest())[:22]
        whole = {"kty": "OKP", "crv": "Ed25519", "x": public, "d": private, "kid": key_id}
        write_once(self._folder / f"{now:%Y%m%dT%H%M%S%f}-{key_id}.json", json.dumps(whole).encode())
        return key_id

    def public_keys(self) -> dict[str, Any]:
        """Return the JWKS document: the public halves of all keys."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": key["x"],
                    "kid": key["kid"],
                    "alg": "EdDSA",
                    "use": "sig",
                }
                for key in self._keys()
            ]
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """Return the claims as a token signed with the newest key."""
        newest = self._keys()[-1]
        if self._signer is None or self._signer[0] != newest["kid"]:
            self._signer = (newest["kid"], jwt.PyJWK.from_dict(newest, algorithm="EdDSA").key)
        return jwt.encode(claims, self._signer[1], algorithm="EdDSA", headers={"kid": newest["kid"]})

    def _keys(self) -> list[dict[str, str]]:
        """Return all keys, oldest first; a file is read once."""
        names = sorted(path.name for path in self._folder.glob("*.json"))
        self._read = {name: self._read.get(name) or _load(self._folder / name) for name in names}
        return list(self._read.values())


def _load(path: Path) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(path.read_text("utf-8"))
    return loaded


def _coded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
