"""Certificate and key: what is wrong with them is said by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.checkup import State, check_tls
from app.config import Settings
from app.web.tls import BadTls, tls_context
from tests.app.serving import settings_of
from tests.build.certificates import make_certificate


def settings(certificate: Path, key: Path) -> Settings:
    """Settings with these files."""
    return settings_of({"web.tls_certificate": str(certificate), "web.tls_key": str(key)})


def test_a_certificate_and_its_key_can_be_used(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)

    assert tls_context(settings(certificate, key).web) is not None
    (finding,) = check_tls(settings(certificate, key))
    assert finding.state is State.GOOD
    assert list(check_tls(settings_of())) == []


def test_the_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = make_certificate(tmp_path / "other")
    (tmp_path / "locked.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    (tmp_path / "cut.pem").write_bytes(certificate.read_bytes()[:200])
    wrong = [
        (tmp_path / "nowhere", key, f"web.tls_certificate: {tmp_path / 'nowhere'} cannot be read"),
        (key, key, f"web.tls_certificate: {key} has no certificate"),
        (certificate, certificate, f"web.tls_key: {certificate} has no private key"),
        (certificate, other, f"web.tls_key: {other} is not the key of the certificate {certificate}"),
        (certificate, tmp_path / "locked.pem", f"web.tls_key: {tmp_path / 'locked.pem'} is encrypted"),
        (tmp_path / "cut.pem", key, f"{tmp_path / 'cut.pem'} or {key} is damaged"),
    ]
    for *files, said in wrong:
        with pytest.raises(BadTls) as refused:
            tls_context(settings(*files).web)
        assert said in str(refused.value)
        (finding,) = check_tls(settings(*files))
        assert (finding.state, said in finding.words) == (State.BAD, True)
