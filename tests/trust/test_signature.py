import base64
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgematte.cli import main
from edgematte.errors import BundleError, OptionError, SignatureError
from edgematte.manifest import FILE, SIGNATURE
from edgematte.runtime.bundle import open_bundle, sha256_file
from edgematte.trust.signature import make_key, sign, verify_signature

pytest.importorskip("cryptography", reason="the extra `sign` is not installed")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "team.pem")
    return tmp_path / "team.pem"


@pytest.fixture
def public(key: Path) -> Path:
    return key.with_name("team.pem.pub")


def test_sign_and_check_from_the_shell(tiny_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    key = tmp_path / "new.pem"
    assert main(["sign", "--new-key", str(key)]) == 0
    public = capsys.readouterr().out.strip()
    assert public == f"{key}.pub"
    assert main(["sign", str(tiny_bundle), "--key", str(key)]) == 0
    assert capsys.readouterr().out.strip() == str(tiny_bundle / SIGNATURE)
    assert main(["check", str(tiny_bundle), "--key", public]) == 0
    assert main(["info", str(tiny_bundle)]) == 0


def test_the_signature_is_ed25519_of_the_manifests_hash(
    tiny_bundle: Path, key: Path, public: Path
) -> None:
    """By the published API alone, so that other languages can do the same."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    record = json.loads(sign(open_bundle(tiny_bundle), key).read_text())
    message = f"edgematte bundle, format 1: sha256 {sha256_file(tiny_bundle / FILE)}".encode()
    loaded: Any = load_pem_public_key(public.read_bytes())
    loaded.verify(base64.b64decode(record["signature"]), message)
    assert base64.b64decode(record["public_key"]) == loaded.public_bytes_raw()


def test_a_bundle_changed_after_it_was_signed_is_refused(
    tiny_bundle: Path,
    key: Path,
    public: Path,
    edit_manifest: Callable[[Path, Callable[[dict[str, Any]], object]], None],
) -> None:
    sign(open_bundle(tiny_bundle), key)
    (tiny_bundle / "refine.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match="sha256 differs"):
        open_bundle(tiny_bundle)
    digest = sha256_file(tiny_bundle / "refine.onnx")
    edit_manifest(tiny_bundle, lambda m: m["files"].update({"refine.onnx": digest}))
    with pytest.raises(SignatureError, match="changed after it was signed"):
        verify_signature(open_bundle(tiny_bundle), public)


def test_another_key_is_refused(tiny_bundle: Path, key: Path, tmp_path: Path) -> None:
    sign(open_bundle(tiny_bundle), key)
    other = make_key(tmp_path / "other.pem")
    with pytest.raises(SignatureError, match="signed by another key"):
        verify_signature(open_bundle(tiny_bundle), other)
    # A record that claims the trusted key, with a signature by the other one.
    record = json.loads((tiny_bundle / SIGNATURE).read_text())
    forged = json.loads(sign(open_bundle(tiny_bundle), tmp_path / "other.pem").read_text())
    forged["public_key"] = record["public_key"]
    (tiny_bundle / SIGNATURE).write_text(json.dumps(forged))
    with pytest.raises(SignatureError, match="changed after it was signed"):
        verify_signature(open_bundle(tiny_bundle), key.with_name("team.pem.pub"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "algorithm": "ed25519"}'])
def test_a_damaged_signature(text: str, tiny_bundle: Path, public: Path) -> None:
    (tiny_bundle / SIGNATURE).write_text(text)
    with pytest.raises(SignatureError, match="is damaged"):
        verify_signature(open_bundle(tiny_bundle), public)


def test_no_signature(tiny_bundle: Path, public: Path, capsys: Capture) -> None:
    assert main(["check", str(tiny_bundle), "--key", str(public)]) == 2
    out, err = capsys.readouterr()
    assert not out and err == f"edgematte: {tiny_bundle} is not signed: it has no {SIGNATURE}\n"


def test_a_zip_is_verified_and_not_signed(
    tiny_bundle: Path, key: Path, public: Path, tmp_path: Path
) -> None:
    sign(open_bundle(tiny_bundle), key)
    zipped = shutil.make_archive(str(tmp_path / "net"), "zip", tiny_bundle)
    verify_signature(open_bundle(zipped), public)
    with pytest.raises(OptionError, match="sign the folder, then zip it again"):
        sign(open_bundle(zipped), key)


def test_a_copy_with_other_line_ends_is_the_same_bundle(
    tiny_bundle: Path, key: Path, public: Path
) -> None:
    sign(open_bundle(tiny_bundle), key)
    for name in (FILE, SIGNATURE):
        data = (tiny_bundle / name).read_bytes()
        (tiny_bundle / name).write_bytes(data.replace(b"\n", b"\r\n"))
    verify_signature(open_bundle(tiny_bundle), public)


def test_openssh_keys(tiny_bundle: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    secret, shown = tmp_path / "id_ed25519", tmp_path / "id_ed25519.pub"
    plain = s.NoEncryption()
    secret.write_bytes(made.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, plain))
    shown.write_bytes(made.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH))
    sign(open_bundle(tiny_bundle), secret)
    verify_signature(open_bundle(tiny_bundle), shown)


def test_keys_that_cannot_be_used_are_one_sentence(
    tiny_bundle: Path, key: Path, public: Path, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    bundle = open_bundle(tiny_bundle)
    sign(bundle, key)
    other = tmp_path / "curve.pem"
    curve = generate_private_key(SECP256R1())
    other.write_bytes(curve.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        curve.private_bytes(
            s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"word")
        )
    )
    for file, says in (
        (tmp_path / "none.pem", "no key can be read"),
        (public, "is no private key"),
        (other, "a key of another kind"),
        (locked, "protected by a password"),
    ):
        with pytest.raises(OptionError, match=says):
            sign(bundle, file)
    for file, says in (
        (tmp_path / "none.pub", "no key can be read"),
        (key, "is a private key: verify with the public one"),
        (tiny_bundle / FILE, "is no public key"),
    ):
        with pytest.raises(OptionError, match=says):
            verify_signature(bundle, file)


def test_a_key_is_secret_and_never_replaced(key: Path, public: Path) -> None:
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(OptionError, match="a key is never replaced"):
        make_key(key)
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [[], ["B"], ["B", "--new-key", "k"], ["--key", "k"], ["--key", "k", "--new-key", "l"]],
)
def test_options_that_do_not_belong_together(
    arguments: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sign", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
