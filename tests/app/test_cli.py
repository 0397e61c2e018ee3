"""The command line: what it prints, and with which status it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.about import version
from app.assembly import open_archive
from app.cli import main, make_parser
from app.ingesting import Ingest, Report
from app.web.credentials import verify_password
from dicomweb.model.keys import Scope
from storage.log.format import FORMAT_VERSION
from storage.objects.local import LocalStore
from storage.upkeep.attendance import Present, present
from tests.app.processes import run
from tests.app.serving import settings_of
from tests.build.dicom import ct_slice, uid


def ingest(store: Path, *arguments: Path | str) -> int:
    """Run `dicomlake ingest` in this process."""
    return main(["ingest", "--store", str(store), *map(str, arguments)])


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set up the root logger of their process, which here is that of all tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """A folder with five instances in files, two in a zip, one damaged file, a text and a DICOMDIR."""
    folder = tmp_path / "discs"
    folder.mkdir()
    for number in range(5):
        data = ct_slice(SOPInstanceUID=uid(f"file {number}"), InstanceNumber=number)
        (folder / f"{number}.dcm").write_bytes(data)
    with zipfile.ZipFile(folder / "more.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(2):
            archive.writestr(f"{number}.dcm", ct_slice(SOPInstanceUID=uid(f"zipped {number}")))
    (folder / "cut.dcm").write_bytes(ct_slice(SOPInstanceUID=uid("cut"))[:-10])
    (folder / "README.TXT").write_text("no image")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"rest")
    return folder


def test_every_command_has_help_a_stranger_understands(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "ingest", "undelete", "purge", "verify", "show-config", "doctor"):
        with pytest.raises(SystemExit) as ended:
            make_parser().parse_args([command, "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert text.startswith(f"usage: dicomlake {command}")
        assert "--store" in text
        assert len(text.split("settings:")[0]) > 150


def test_only_the_help_of_serve_tells_of_all_settings(capsys: pytest.CaptureFixture[str]) -> None:
    def helped(command: str) -> str:
        with pytest.raises(SystemExit):
            make_parser().parse_args([command, "--help"])
        return capsys.readouterr().out

    assert "--limits-body-bytes" in helped("serve")
    for command in ("ingest", "undelete", "purge", "verify", "doctor", "show-config"):
        text = helped(command)
        assert "--limits-body-bytes" not in text
        assert "dicomlake serve --help" in text
        for flag in ("--store", "--s3-endpoint", "--node-dir", "--config", "--log-level"):
            assert flag in text, command
    # and takes them nevertheless
    assert main(["show-config", "--limits-body-bytes", "10GB"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "no command is called serv; did you mean serve?"),
        (["serve", "--prot", "80"], "no option is called --prot"),
        (["serve", "--http-prot=80"], "no option is called --http-prot=80; did you mean --http-port?"),
        (["ingest", ".", "--reprot", "x"], "no option is called --reprot; did you mean --report?"),
        (["undelete", "1", "2"], "2 is one argument too many"),
        (["undelete", "one"], "invalid int value: 'one'"),
        (["ingest"], "the following arguments are required: PATH"),
        (["purge", "1.2.3 4"], "a UID has 1 to 64 digits"),
    ],
)
def test_what_the_command_line_does_not_know_is_told_with_what_was_perhaps_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as ended:
        status = ended.code

    err = capsys.readouterr().err
    assert status == 2
    assert err.startswith("dicomlake: ")
    assert said in err


async def test_an_unknown_setting_ends_with_2_and_a_hint() -> None:

    ended = await run("version", extra={"DICOMLAKE_STOR": "/tmp"})

    assert ended.status == 2
    assert ended.err == "dicomlake: no setting is called DICOMLAKE_STOR; did you mean DICOMLAKE_STORE?\n"


def test_version_names_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("dicomlake ")


def test_show_config_tells_values_and_origins_and_no_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOMLAKE_AUTH_USERS", "alice:hunter2")

    assert main(["show-config", "--http-port", "9999"]) == 0

    out = capsys.readouterr().out
    lines = {line.split(" = ")[0].strip("# "): line for line in out.splitlines() if " = " in line}
    assert "9999" in lines["http_port"]
    assert lines["http_port"].endswith("# flag --http-port")
    assert lines["host"].endswith("# default")
    assert lines["users"].endswith("# environment DICOMLAKE_AUTH_USERS")
    assert "hunter2" not in out


def test_what_show_config_prints_is_a_settings_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["show-config", "--limits-nesting", "9", "--web-cors-origins", "https://a.example"]) == 0
    (tmp_path / "made.toml").write_text(capsys.readouterr().out, encoding="utf-8")

    assert main(["show-config", "--config", str(tmp_path / "made.toml")]) == 0

    out = capsys.readouterr().out
    assert "nesting = 9 " in out
    assert 'cors_origins = ["https://a.example"]' in out


async def test_hash_password_prints_what_the_settings_take() -> None:
    ended = await run("hash-password", "alice", given=b"correct horse\n")

    name, _, stored = ended.out.strip().partition(":")
    assert (ended.status, name) == (0, "alice")
    assert verify_password("correct horse", stored)


def test_ingest_reports_what_was_stored_already_there_and_refused(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"

    assert ingest(tmp_path / "store", discs, "--report", report) == 1

    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["stored"], told["already_there"]) == (7, 0)
    assert told["not_dicom"] == [str(discs / "README.TXT")]
    assert told["dicomdir"] == [str(discs / "DICOMDIR")]
    (refused,) = told["refused"]
    assert refused["name"].endswith("cut.dcm")
    assert refused["reason"]
    out = capsys.readouterr().out
    assert "stored         7" in out
    assert "DICOMDIR       1" in out
    assert "cut.dcm" in out


def test_an_ingest_is_seen_by_an_upgrade_while_it_runs(
    tmp_path: Path, discs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Present]] = []
    run = Ingest.run

    async def looked_at(self: Ingest, paths: Sequence[Path]) -> Report:
        async with LocalStore(tmp_path / "store") as store, asyncio.timeout(10):
            found: list[Present] = []
            while not found:
                found = await present(store, node="upgrade")
        seen.append(found)
        return await run(self, paths)

    monkeypatch.setattr(Ingest, "run", looked_at)
    ingest(tmp_path / "store", discs / "0.dcm")

    ((one,),) = seen
    assert (one.release, one.format) == (version(), FORMAT_VERSION)
    assert list((tmp_path / "store" / "nodes").glob("*.json")) == []


def test_ingest_begun_again_goes_on_where_it_stopped(tmp_path: Path, discs: Path) -> None:
    store, report = tmp_path / "store", tmp_path / "report.json"
    (discs / "cut.dcm").unlink()
    assert ingest(store, discs / "0.dcm") == 0
    (discs / "0.dcm").touch()
    (discs / "new.dcm").write_bytes(ct_slice(SOPInstanceUID=uid("new")))

    assert ingest(store, discs, "--report", report) == 0
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["stored"], told["already_there"]) == (7, 1)

    assert ingest(store, discs, "--report", report) == 0
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["stored"], told["already_there"], told["bytes_read"]) == (0, 8, 0)

    assert ingest(store, discs, "--again", "--report", report) == 0
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["stored"], told["already_there"]) == (0, 8)
    assert told["bytes_read"] > 0


@pytest.mark.parametrize("command", [["verify"], ["undelete", "1"], ["purge", "1.2", "--yes"]])
@pytest.mark.parametrize("made", [True, False])
def test_only_serve_and_ingest_begin_an_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], made: bool
) -> None:
    store = tmp_path / "store"
    if made:
        store.mkdir()

    assert main([*command, "--store", str(store)]) == 2

    assert f"there is no archive in {store}" in capsys.readouterr().err
    assert [*tmp_path.rglob("*")] == ([store] if made else [])


def test_ingest_says_that_it_begins_an_archive(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for new in (True, False):
        ingest(tmp_path / "store", discs / "0.dcm")
        assert (f"new archive in {tmp_path / 'store'}\n" in capsys.readouterr().err) is new


@pytest.mark.parametrize("command", [["serve", "--http-port", "0"], ["ingest", "."], ["verify"], ["doctor"]])
async def test_a_store_that_cannot_be_is_said_in_a_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    wrong = [
        ("/proc/foo", "/proc/foo"),
        (str(tmp_path / "file"), "is a file"),
        ("/proc/self/fdinfo", "/proc/self"),
    ]
    for store, said in wrong:
        ended = await run(*command, "--store", store)
        assert ended.status == (1 if command == ["doctor"] else 2), store
        assert said in ended.out + ended.err, store
        assert "Traceback" not in ended.err, store


async def test_a_node_folder_that_cannot_be_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    arguments = ("--store", str(tmp_path / "store"), "--node-dir", str(tmp_path / "file"), "--http-port", "0")
    for command in (["serve"], ["ingest", str(tmp_path)]):
        ended = await run(*command, *arguments)
        assert ended.status == 2
        assert ended.err.count("\n") == 1
        assert "the node folder" in ended.err


@pytest.mark.parametrize("store", ["s3:/lake", "S3//lake", "s3:lake"])
def test_a_slip_in_an_address_does_not_become_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["serve", "--http-port", "0", "--dicom-port", "0", "--store", store]) == 2

    assert "did you mean s3://lake?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


async def test_ingest_stores_again_what_was_deleted_since(tmp_path: Path) -> None:
    store, report, one = tmp_path / "store", tmp_path / "report.json", tmp_path / "one.dcm"
    one.write_bytes(ct_slice(StudyInstanceUID=uid("deleted")))
    arguments = ("ingest", "--store", str(store), str(one), "--report", str(report))
    assert (await run(*arguments)).status == 0
    async with open_archive(settings_of({"store": str(store)})) as opened:
        await opened.archive.remove(Scope(uid("deleted")), door="test", peer="")

    assert (await run(*arguments)).status == 0

    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["stored"], told["already_there"]) == (1, 0)
    async with open_archive(settings_of({"store": str(store)})) as opened:
        assert len(await opened.archive.find_instances(Scope(uid("deleted")))) == 1


@pytest.mark.parametrize(("policy", "outcome"), [("replace", "replaced"), ("keep", "kept")])
def test_ingest_tells_other_bytes_for_a_known_instance_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, outcome: str
) -> None:
    store, report, one = tmp_path / "store", tmp_path / "report.json", tmp_path / "one.dcm"
    one.write_bytes(ct_slice(SOPInstanceUID=uid("changing")))
    assert ingest(store, one) == 0
    one.write_bytes(ct_slice(SOPInstanceUID=uid("changing"), seed=5, InstanceNumber=99))

    assert ingest(store, one, "--duplicates", policy, "--report", report) == 0

    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["stored"], told[outcome]) == (0, [str(one)])
    out = capsys.readouterr().out
    assert f"{outcome:<14} 1 (other bytes" in out
    assert f"  {one}\n" in out


def test_ingest_refuses_by_name_a_file_it_was_given_that_is_no_dicom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("no image")

    assert ingest(tmp_path / "store", tmp_path / "notes.txt") == 1

    assert f"{tmp_path / 'notes.txt'}: is not a DICOM file" in capsys.readouterr().out


async def test_undelete_lists_what_can_be_undone_and_undoes_it_once(tmp_path: Path) -> None:
    store, study = tmp_path / "store", uid("deleted")
    for number in range(2):
        data = ct_slice(StudyInstanceUID=study, SOPInstanceUID=uid(f"deleted {number}"), PatientName="Secret^Name")
        (tmp_path / f"{number}.dcm").write_bytes(data)
    assert (await run("ingest", "--store", str(store), str(tmp_path))).status == 0
    assert (await run("undelete", "--store", str(store))).out == "no deletion can be undone\n"
    async with open_archive(settings_of({"store": str(store)})) as opened:
        removal = await opened.archive.remove(Scope(study), door="test", peer="")

    listed = (await run("undelete", "--store", str(store))).out.splitlines()

    revision = str(removal.revision)
    assert listed[1].split()[0] == revision
    assert listed[1].split()[3:] == ["2", "study", study]
    assert (await run("undelete", revision, "--store", str(store))).out.startswith("brought back 2 instances")
    again = await run("undelete", revision, "--store", str(store))
    assert (again.status, again.err) == (2, f"dicomlake: the removal of revision {revision} was undone already\n")
    assert (await run("undelete", "--store", str(store))).out == "no deletion can be undone\n"


def test_ingest_says_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ingest(tmp_path / "store", tmp_path / "nowhere") == 2
    assert "there is no" in capsys.readouterr().err


def test_verify_finds_a_damaged_object(tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    ingest(store, discs)
    assert main(["verify", "--store", str(store)]) == 0
    assert "7 objects" in capsys.readouterr().out
    damaged = sorted(store.glob("dicom/**/*.dcm"))[0]
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.chmod(0o644)
    damaged.write_bytes(data)

    assert main(["verify", "--store", str(store)]) == 1

    out = capsys.readouterr().out
    assert damaged.name.partition("~")[0] in out
    assert "1 damaged" in out


def test_purge_asks_unless_told_and_erases(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    ingest(store, discs)
    study = next(store.glob("dicom/*/*")).name

    assert main(["purge", "--store", str(store), study]) == 1
    assert len(list(store.glob("dicom/**/*.dcm"))) == 7

    assert main(["purge", "--store", str(store), study, "--yes"]) == 0
    assert list(store.glob("dicom/**/*.dcm")) == []

    capsys.readouterr()
    assert main(["purge", "--store", str(store), "9.9.9", "--yes"]) == 2
    assert "dicomlake:" in capsys.readouterr().err
    assert main(["purge", "--store", str(store), "../../etc", "--yes"]) == 2


def test_doctor_finds_all_well_on_a_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--store", str(tmp_path / "store"), "--http-port", "0", "--dicom-port", "0"])

    out = capsys.readouterr().out
    assert status == 0, out
    for topic in ("settings", "access", "ports", "codecs", "disk", "clock", "store"):
        assert f" {topic} " in out
    assert "JPEG, JPEG-LS, JPEG 2000, HTJ2K, RLE, JPEG XL" in out
    assert "MP4, by the encoder " in out
    assert "conditional writes are honoured" in out
    assert "it will be created by serve" in out
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_the_codecs_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from app import checkup

    monkeypatch.setattr(checkup, "_CODECS", (("JPEG", "JPEG8"), ("No such", "NOSUCH")))
    monkeypatch.setattr(checkup, "_VIDEO_ENCODERS", ("no-such",))

    found = [(one.state, one.words) for one in checkup.check_codecs()]

    assert found == [
        (checkup.State.GOOD, "JPEG"),
        (checkup.State.BAD, "No such: the Python package imagecodecs has none"),
        (checkup.State.BAD, "MP4: the Python package av has no encoder for it"),
    ]


def test_doctor_says_that_dimse_is_not_there_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", str(tmp_path / "store"), "--http-port", "0"]) == 0
    assert "dicom_port: DIMSE: not in this version" in capsys.readouterr().out


def test_doctor_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["doctor", "--store", str(tmp_path), "--http-port", port, "--dicom-port", "0"]
        assert main(arguments) == 1
        assert f"PROBLEM  ports     http_port: cannot listen on 127.0.0.1:{port}" in capsys.readouterr().out
    assert main([*arguments, "--http-port", "0", "--host", "0.0.0.0"]) == 1
    assert "PROBLEM  access" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--web-cors-origins", "https://viewer.example.org"], ""),
        ([], "any web page opened on this machine can read"),
        (["--trusted-proxies", "127.0.0.1"], "anybody who reaches the proxy may"),
        (["--public-url", "https://pacs.example.org"], "anybody who reaches the proxy may"),
        (["--host", "0.0.0.0", "--allow-anonymous"], "anybody who reaches 0.0.0.0 may"),
    ],
)
def test_doctor_warns_of_what_is_open_to_everyone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    main(["doctor", "--store", str(tmp_path / "store"), "--http-port", "0", *arguments])

    warned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning  access")]
    assert any(said in line for line in warned) if said else warned == []


def test_a_store_that_is_no_address_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--store", "ftp://somewhere"]) == 2
    assert "s3://BUCKET/PREFIX" in capsys.readouterr().err


async def test_repair_mends_an_entry_from_the_table_and_says_when_it_cannot(tmp_path: Path, discs: Path) -> None:
    store = tmp_path / "store"
    assert "stored" in (await run("ingest", "--store", str(store), str(discs))).out
    async with open_archive(settings_of({"store": str(store)})) as opened:
        assert opened.archive.checkpoint is not None
        held = opened.archive.revision
    (entry,) = (store / "log").glob(f"*/{held:020d}.arrow")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])

    cannot = await run("repair", str(held), "--store", str(store))
    assert cannot.status == 1
    assert "cannot be mended" in cannot.out

    entry.write_bytes(whole)
    async with open_archive(settings_of({"store": str(store)})) as opened:
        assert opened.archive.checkpoint is not None
        await opened.archive.checkpoint.fold()
    entry.write_bytes(whole[: len(whole) // 2])
    assert f"entry {held} is mended" in (await run("repair", str(held), "--store", str(store))).out
    assert (await run("repair", str(held), "--store", str(store))).out.startswith(f"entry {held} is whole")
    assert (await run("verify", "--store", str(store))).status == 0


@pytest.mark.parametrize("command", [["rebuild"], ["ingest", "x.dcm"]])
def test_a_report_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--store", str(tmp_path / "store"), "--report", str(tmp_path / "nowhere" / "r.json")])

    assert ended.value.code == 2
    assert "no file can be written there" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
