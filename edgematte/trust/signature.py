"""Ed25519 signatures of bundles.

The manifest is signed, and the manifest has the SHA-256 of every other file: so the signature is of
the whole bundle. `signature.json` beside the manifest holds it, with the public key it was made by.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.atomic import atomic_file
from edgematte.codec import parse
from edgematte.errors import EngineError, OptionError, SignatureError, line_of
from edgematte.extras import importing
from edgematte.manifest import FILE, SIGNATURE
from edgematte.runtime.bundle import Bundle, sha256_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

FORMAT = 1
PREFIX = "edgematte bundle, format 1: sha256 "
"""What is signed is this and the manifest's hash, so that no signature means two things."""
PIP_LINE = 'pip install "edgematte[sign]"'


def sign(bundle: Bundle, key: Path) -> Path:
    """Sign a verified bundle; gives the path of its `signature.json`, which is replaced.

    Args:
        bundle: a bundle in a folder.
        key: an Ed25519 private key without a password, PEM or OpenSSH.

    Raises:
        OptionError: the key cannot be read or is of another kind, or the bundle is a zip file.
        EngineError: the package that signs is not installed.
    """
    if bundle.unpacked is not None:
        raise OptionError(
            f"{bundle.unpacked.archive} is a zip file: sign the folder, then zip it again"
        )
    private = _private(key)
    digest = sha256_file(bundle.path / FILE)
    record = {
        "format": FORMAT,
        "algorithm": "ed25519",
        "manifest_sha256": digest,
        "public_key": base64.b64encode(_raw(private.public_key())).decode(),
        "signature": base64.b64encode(private.sign(_message(digest))).decode(),
    }
    file = bundle.path / SIGNATURE
    with atomic_file(file) as scratch:
        scratch.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return file


def verify_signature(bundle: Bundle, key: Path) -> None:
    """Compare a verified bundle with its signature.

    Args:
        bundle: a bundle as `open_bundle` gives it, which has compared every file.
        key: the Ed25519 public key to trust, PEM or one line of OpenSSH.

    Raises:
        SignatureError: there is no signature, it was made by another key, or the bundle was changed
            after it was signed.
        OptionError: the key cannot be read or is of another kind.
        EngineError: the package that verifies is not installed.
    """
    public = _public(key)
    shown = bundle.shown
    record = _record(bundle.path / SIGNATURE, shown)
    if record["public_key"] != _raw(public):
        raise SignatureError(f"{shown} is signed by another key than {key}")
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(record["signature"], _message(sha256_file(bundle.path / FILE)))
    except InvalidSignature:
        raise SignatureError(
            f"{shown} is not what was signed: it was changed after it was signed"
        ) from None


def make_key(file: Path) -> Path:
    """Write a new private key, readable by its owner alone, and its public key beside it (`.pub`).

    Gives the path of the public key.

    Raises:
        OptionError: there is a file at either path.
        EngineError: the package that makes keys is not installed.
    """
    public = file.with_name(f"{file.name}.pub")
    for path in (file, public):
        if path.exists():
            raise OptionError(f"{path} is there already: a key is never replaced")
    with importing("making keys needs cryptography", PIP_LINE, EngineError):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    made = Ed25519PrivateKey.generate()
    secret = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    open_key = made.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with atomic_file(file) as scratch:
        scratch.chmod(0o600)
        scratch.write_bytes(secret)
    file.chmod(0o600)
    with atomic_file(public) as scratch:
        scratch.write_bytes(open_key)
    return public


def _message(digest: str) -> bytes:
    return (PREFIX + digest).encode()


def _record(file: Path, shown: Path) -> dict[str, bytes]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SignatureError(f"{shown} is not signed: it has no {SIGNATURE}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SignatureError(f"the signature of {shown} cannot be read ({error})") from None
    try:
        record: Any = parse(text)
        if (record["format"], record["algorithm"]) != (FORMAT, "ed25519"):
            raise ValueError("another format or algorithm")
        return {n: base64.b64decode(record[n], validate=True) for n in ("public_key", "signature")}
    except (ValueError, TypeError, KeyError) as error:
        raise SignatureError(f"the signature of {shown} is damaged ({error})") from None


def _raw(public: "Ed25519PublicKey") -> bytes:
    return bytes(public.public_bytes_raw())


def _private(file: Path) -> "Ed25519PrivateKey":
    with importing("signing needs cryptography", PIP_LINE, EngineError):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    data = _bytes(file)
    openssh = b"OPENSSH PRIVATE KEY" in data
    read = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key: object = read(data, None)
    except TypeError:
        raise OptionError(f"{file} is protected by a password: give a key without one") from None
    except Exception as error:
        raise OptionError(f"{file} is no private key ({line_of(error, 100)})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OptionError(f"{file} is a key of another kind: an Ed25519 one is needed")
    return key


def _public(file: Path) -> "Ed25519PublicKey":
    with importing("verifying needs cryptography", PIP_LINE, EngineError):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    data = _bytes(file)
    if b"PRIVATE KEY" in data:
        raise OptionError(f"{file} is a private key: verify with the public one")
    pem = data.lstrip().startswith(b"-----")
    read = serialization.load_pem_public_key if pem else serialization.load_ssh_public_key
    try:
        key: object = read(data)
    except Exception as error:
        raise OptionError(f"{file} is no public key ({line_of(error, 100)})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise OptionError(f"{file} is a key of another kind: an Ed25519 one is needed")
    return key


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OptionError(f"no key can be read at {file} ({error.strerror})") from None
