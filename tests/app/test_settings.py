"""The settings: four ways to write them, one meaning."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.assembly import archive_settings, service_limits
from app.config import Settings
from app.flags import add_setting_flags
from app.sources import read_settings
from app.values import ConfigError, all_settings, shown
from dicomweb.encoding.head import HeadLimits
from dicomweb.services.limits import Limits
from storage.archive.settings import ArchiveSettings
from storage.upkeep.background import UpkeepSettings
from tests.app.serving import settings_of


def written(tmp_path: Path, text: str) -> str:
    """A settings file of that text."""
    path = tmp_path / "dicomlake.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_flags_win_over_the_environment_the_environment_over_the_file_the_file_over_the_default(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, 'store = "/file"\nhost = "::1"\nhttp_port = 1\nduplicates = "keep"\n')
    environment = {"DICOMLAKE_HOST": "localhost", "DICOMLAKE_HTTP_PORT": "2"}

    configured = read_settings({"http_port": "3"}, environment, file)

    settings = configured.settings
    assert (settings.store, settings.host, settings.http_port, settings.dicom_port) == (
        "/file",
        "localhost",
        3,
        4242,
    )
    assert configured.origins["store"] == f"file {file}"
    assert configured.origins["host"] == "environment DICOMLAKE_HOST"
    assert configured.origins["http_port"] == "flag --http-port"
    assert configured.origins["dicom_port"] == "default"


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    environment = {"DICOMLAKE_CONFIG": written(tmp_path, "[limits]\nnesting = 7\n")}

    assert read_settings({}, environment).settings.limits.nesting == 7


def test_groups_are_tables_in_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, '[web]\ncors_origins = ["https://a.example"]\n[limits]\nbody_bytes = "2 GiB"\n')

    settings = read_settings({}, {}, file).settings

    assert settings.web.cors_origins == ("https://a.example",)
    assert settings.limits.body_bytes == 2 << 30


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("5B", 5),
        ("5 kB", 5000),
        ("5KiB", 5120),
        ("1.5 MB", 1_500_000),
        ("2GB", 2 * 10**9),
        ("1 TiB", 1 << 40),
    ],
)
def test_sizes_are_written_as_people_write_them(text: str, value: int) -> None:
    assert settings_of({"limits.body_bytes": text}).limits.body_bytes == value


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DICOMLAKE_HTTPPORT": "1"}, "did you mean DICOMLAKE_HTTP_PORT"),
        ({"DICOMLAKE_HTTP_PORT": "http"}, "expected a whole number"),
        ({"DICOMLAKE_HTTP_PORT": "70000"}, "0 to 65535"),
        ({"DICOMLAKE_HTTP_PORT": "-1"}, "expected a whole number"),
        ({"DICOMLAKE_DUPLICATES": "overwrite"}, "replace, keep, reject"),
        ({"DICOMLAKE_ALLOW_ANONYMOUS": "maybe"}, "true or false"),
        ({"DICOMLAKE_LIMITS_BODY_BYTES": "10 parsecs"}, "a size such as"),
        ({"DICOMLAKE_WORKERS": "65"}, "workers: expected 1 to 64, or 0"),
        ({"DICOMLAKE_URL_PREFIX": "pacs/"}, "such as /pacs"),
        ({"DICOMLAKE_PUBLIC_URL": "pacs.example.org"}, "such as https://"),
        ({"DICOMLAKE_WEB_TLS_KEY": "key.pem"}, "both are needed"),
        ({"DICOMLAKE_WEB_CORS_WRITE_ORIGINS": "viewer.example.org"}, "did you mean https://viewer.example.org"),
        ({"DICOMLAKE_WEB_CORS_WRITE_ORIGINS": "*"}, "name each origin"),
        ({"DICOMLAKE_WEB_CORS_ORIGINS": "http://a.example/path"}, "did you mean http://a.example instead"),
        ({"DICOMLAKE_AUTH_TOKENS": "justatoken"}, "name:secret"),
        ({"DICOMLAKE_CONFIG": "/nowhere/at/all.toml"}, "cannot be read"),
        ({"DICOMLAKE_DEFAULT_TRANSFER_SYNTAX": "raw"}, "standard, stored"),
        ({"DICOMLAKE_INTAKE_TRANSCODING": "CT=jpeg"}, "intake_transcoding: 'jpeg' in 'CT=jpeg' is not a lossless"),
        ({"DICOMLAKE_PIXELS_JPEG_QUALITY": "0"}, "pixels.jpeg_quality: expected 1 to 100"),
        ({"DICOMLAKE_PIXELS_VIEWPORT_PIXELS": "0"}, "pixels.viewport_pixels: expected at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_was_expected(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_settings({}, environment)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stor = 'x'", "did you mean store"),
        ("[limit]\nnesting = 1", "did you mean limits"),
        ("[limits]\nnestin = 1", "did you mean limits.nesting"),
        ("http_port = '", "is not TOML"),
        ("http_port = true", "expected a whole number"),
        ("host = 5", "expected a text"),
        ("trusted_proxies = [1]", "expected a list of texts"),
        ("[limits]\nidle_seconds = 'long'", "expected a number (seconds)"),
        ("limits = 5", "no setting is called limits"),
    ],
)
def test_the_same_for_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_settings({}, {}, written(tmp_path, text))

    assert said in str(refused.value)


def test_a_plain_password_is_taken_from_the_environment_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hash-password") as refused:
        read_settings({}, {}, written(tmp_path, '[auth]\nusers = ["alice:hunter2"]\n'))

    assert "hunter2" not in str(refused.value)
    assert read_settings({}, {"DICOMLAKE_AUTH_USERS": "alice:hunter2"}).settings.auth.users == ("alice:hunter2",)


def test_what_kubernetes_sets_for_a_service_of_our_name_is_passed_over() -> None:
    environment = {
        "DICOMLAKE_SERVICE_HOST": "10.0.0.1",
        "DICOMLAKE_SERVICE_PORT_HTTP": "8042",
        "DICOMLAKE_PORT": "tcp://10.0.0.1:8042",
        "DICOMLAKE_PORT_8042_TCP_ADDR": "10.0.0.1",
        "DICOMLAKE_WEB_SERVICE_HOST": "10.0.0.2",
    }

    assert read_settings({}, environment).settings == Settings()


def test_every_setting_has_words_a_variable_and_unless_secret_a_flag() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_setting_flags(parser)
    text = parser.format_help()

    for info in all_settings():
        assert len(info.help) > 10, info.name
        assert info.variable == "DICOMLAKE_" + info.name.upper().replace(".", "_")
        assert (info.flag in text) is not info.secret


def test_secrets_are_masked_where_settings_are_shown() -> None:
    users = next(info for info in all_settings() if info.name == "auth.users")

    assert shown(users, ("alice:hunter2", "bob:other")) == '["alice:***", "bob:***"]'


def test_defaults_are_those_of_the_parts_they_configure() -> None:
    settings = Settings()

    assert service_limits(settings) == Limits()
    assert archive_settings(settings) == ArchiveSettings(limits=HeadLimits())
    assert settings.retention_days == UpkeepSettings().retention_days


def test_every_limit_reaches_the_part_it_limits() -> None:
    changed = {
        info.name: str(int(info.default) + 1)  # type: ignore[arg-type]  # limits are numbers
        for info in all_settings()
        if info.name.startswith(("limits.", "cache."))
    }
    settings = settings_of(changed)

    for bound in dataclasses.fields(Limits):
        assert getattr(service_limits(settings), bound.name) == getattr(Limits(), bound.name) + 1
    made, before = archive_settings(settings), ArchiveSettings()
    for name in ("header_bytes", "depth", "elements", "fragments", "inflate_ratio"):
        assert getattr(made.limits, name) == getattr(before.limits, name) + 1
    for name in ("header_bytes", "slow_rows", "slow_seconds"):
        assert getattr(made.catalog, name) == getattr(before.catalog, name) + 1
    for name in ("budget_bytes", "frame_index_bytes", "inflated_bytes"):
        assert getattr(made, name) == getattr(before, name) + 1
