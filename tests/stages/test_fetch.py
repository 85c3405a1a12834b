"""The fetch stage against real PACS: Orthanc and DCMTK's dcmqrscp, on this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from tests.dicom.build import ROOT
from tests.dicom.pacs_servers import (
    PASSWORD,
    PATIENT,
    USER,
    CuttingProxy,
    Server,
    dcmqrscp,
    free_port,
    orthanc,
    pixels,
    program,
    self_signed,
    send,
    stored,
    studies,
)

from plainscan.config import FetchSettings, ScanSettings
from plainscan.dicom.pacs import FoundStudy, hashed
from plainscan.dicom.pacs_journal import NAME
from plainscan.dicom.pacs_secure import PASSWORD as PASSWORD_VARIABLE
from plainscan.dicom.pacs_secure import USER as USER_VARIABLE
from plainscan.dicom.pacs_shelf import Shelf
from plainscan.dicom.pacs_transfer import Outcome
from plainscan.errors import ConfigError, PacsError, SourceError
from plainscan.stages import fetch, scan
from plainscan.stages.record import say
from plainscan.tables import TRANSFERS, read

pytestmark = pytest.mark.slow

WAYS = ("web", "get", "move", "dcmtk get", "dcmtk move")
DAYS = {"since": "2020-01-04", "until": "2020-01-07"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return studies(tmp_path_factory.mktemp("archive") / "in")


@pytest.fixture(scope="module")
def pacs(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        send(server, files)
        yield server


@pytest.fixture(scope="module")
def dcmtk(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with dcmqrscp(tmp_path_factory.mktemp("dcmtk")) as server:
        send(server, files)
        yield server


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "empty").mkdir()
    with orthanc(tmp_path / "empty") as server:
        yield server


@pytest.fixture
def empty_dcmtk(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "empty").mkdir()
    with dcmqrscp(tmp_path / "empty") as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_VARIABLE, USER)
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


def settings(server: Server, way: str = "web", **values: object) -> FetchSettings:
    asked: dict[str, object] = {**DAYS, "retries": 2, "wait_s": 0.05, "timeout_s": 20}
    asked["pacs"] = server.web if way == "web" else server.dimse
    if way.endswith("move"):
        asked |= {"retrieve": "move", "listen": f"127.0.0.1:{server.move_port}"}
    return FetchSettings.model_validate(asked | values)


def fetched(run: Path) -> list[Path]:
    return sorted((run / "fetched").rglob("*.dcm"))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_every_instance_unchanged(
    way: str, tmp_path: Path, files: list[Path], request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue("dcmtk" if "dcmtk" in way else "pacs")
    counts = fetch.run(tmp_path, settings(server, way))
    assert {key: counts[key] for key in ("studies", "complete", "instances")} == {
        "studies": 3, "complete": 3, "instances": 16,
    }  # fmt: skip
    assert pixels(fetched(tmp_path)) == pixels(files)
    table = read(tmp_path, TRANSFERS).sort("accession_number")
    assert table["study_uid"].to_list() == [f"{ROOT}{n}" for n in (1, 2, 3)]
    assert table["expected"].to_list() == table["instances"].to_list() == [9, 4, 3]
    assert table["state"].to_list() == ["complete"] * 3


def test_over_dicomweb_files_come_byte_by_byte_as_the_pacs_holds_them(tmp_path: Path, pacs: Server) -> None:
    fetch.run(tmp_path, settings(pacs))
    assert sorted(path.read_bytes() for path in fetched(tmp_path)) == sorted(stored(pacs))


@pytest.mark.parametrize("way", ["web", "get", "dcmtk get"])
@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"since": "2020-01-06"}, [2, 3]),
        ({"until": "2020-01-05"}, [1]),
        ({"body_part": "HEAD"}, [1, 2, 3]),
        ({"description": "平扫"}, [2]),
        ({"description": "ct *"}, [1, 3]),
        ({"accessions": "A3\nA1\nA9\n", "since": None, "until": None}, [1, 3]),
        ({"modality": "MR"}, []),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_filters_let_through_what_was_asked_for(
    way: str, filters: dict[str, object], numbers: list[int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue("dcmtk" if "dcmtk" in way else "pacs")
    if "accessions" in filters:
        (tmp_path / "list.csv").write_text(f"accession\n{filters['accessions']}")
        filters = filters | {"accessions": tmp_path / "list.csv"}
    run = tmp_path / "run"
    with nullcontext() if numbers or way == "dcmtk get" else pytest.raises(PacsError, match="no study found"):
        fetch.run(run, settings(server, way, **filters))
    table = read(run, TRANSFERS)
    with_files = table.filter(table["instances"] > 0)["study_uid"].to_list()
    knee = [3] if "body_part" in filters and way != "dcmtk get" else []  # DCMTK's does not tell the body part
    assert sorted(with_files) == [f"{ROOT}{n}" for n in numbers if n not in knee]
    if "accessions" in filters:
        assert table.filter(table["code"] == "not_found")["accession_number"].to_list() == ["A9"]


def test_only_what_is_missing_is_asked_for_again(
    tmp_path: Path, pacs: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch.run(tmp_path, settings(pacs, "get"))
    lost = fetched(tmp_path)[:2]
    for path in lost:
        path.unlink()
    came: list[str] = []
    keep = Shelf.keep
    monkeypatch.setattr(Shelf, "keep", lambda self, uid, data: (came.append(uid), keep(self, uid, data))[1])
    fetch.run(tmp_path, settings(pacs, "get"))
    assert sorted(hashed(uid) for uid in came) == sorted(path.stem for path in lost)
    assert pixels(fetched(tmp_path)) == pixels(files)


@pytest.mark.parametrize("way", ["web", "get", "move"])
def test_after_kill_9_in_the_middle_of_a_study_nothing_comes_twice_and_nothing_is_missing(
    way: str, tmp_path: Path, pacs: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = settings(pacs, way, bytes_per_second=6000, at_once=1)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in slow.model_dump(exclude_defaults=True).items()]
    address = options.pop(next(i for i, text in enumerate(options) if text.startswith("--pacs=")))
    command = [sys.executable, "-m", "plainscan", "fetch", address.removeprefix("--pacs="), *options]
    process = subprocess.Popen([*command, "--out", str(tmp_path)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(fetched(tmp_path)) < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in fetched(tmp_path)}
    assert 3 <= len(before) < 16
    came: list[str] = []
    keep = Shelf.keep
    monkeypatch.setattr(Shelf, "keep", lambda self, uid, data: (came.append(uid), keep(self, uid, data))[1])
    fetch.run(tmp_path, settings(pacs, way))
    assert pixels(fetched(tmp_path)) == pixels(files)
    assert len(came) == len(set(came)) == 16 - len(before)
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("way", ["web", "get"])
def test_connections_that_are_cut_in_the_middle_are_made_again(
    way: str,
    tmp_path: Path,
    pacs: Server,
    files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = pacs.http_port if way == "web" else pacs.dicom_port
    proxy = CuttingProxy(target, cuts=3, after=2500 if way == "web" else 12_000)  # Orthanc answers once a connection
    came: list[str] = []
    keep = Shelf.keep
    monkeypatch.setattr(Shelf, "keep", lambda self, uid, data: (came.append(uid), keep(self, uid, data))[1])
    try:
        fetch.run(tmp_path, settings(replace(pacs, http_port=proxy.port, dicom_port=proxy.port), way, at_once=1))
    finally:
        proxy.close()
    assert proxy.left == 0
    assert not caplog.records  # the libraries would tell URLs, and so UIDs
    assert pixels(fetched(tmp_path)) == pixels(files)
    assert len(came) == len(set(came)) == 16


def test_no_identifier_and_no_secret_is_in_a_message_a_record_the_journal_or_a_name(
    tmp_path: Path, pacs: Server
) -> None:
    run = tmp_path / "run"
    list_ = tmp_path / "list.csv"
    list_.write_text("A1\nA2\nNO-SUCH-0815\n")
    for address, more in (
        (pacs.web, []),
        (pacs.dimse, []),
        (pacs.dimse.replace("ORTHANC", "OTHER"), ["--wait-s=0.01"]),
    ):
        command = [sys.executable, "-X", "dev", "-m", "plainscan", "fetch", address, f"--accessions={list_}", *more]
        done = subprocess.run([*command, "--out", str(run)], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        for secret in (PASSWORD, PATIENT, ROOT, "0815", "A1", "CT HEAD"):
            assert secret not in said
    assert done.returncode == 2
    names = [str(path.relative_to(run)) for path in run.rglob("*")]
    kept = {NAME: (run / NAME).read_text(), "names": "\n".join(names)}
    assert len(kept[NAME].splitlines()) >= 4
    for secret in (PASSWORD, USER, PATIENT, ROOT, "0815", "A1", "CT HEAD"):
        assert not [place for place, text in kept.items() if secret in text]


def test_the_record_holds_no_secret_and_a_second_run_is_skipped(
    tmp_path: Path, pacs: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.run(tmp_path, settings(pacs))
    record = (tmp_path / "fetch.run.json").read_text()
    assert json.loads(record)["counts"]["complete"] == 3
    assert (tmp_path / "fetched").stat().st_mode & 0o077 == 0
    assert PASSWORD not in record
    fetch.run(tmp_path, settings(pacs))
    assert "fetch: unchanged, skipped" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["web", "get"])
def test_who_is_not_let_in_is_told_so_at_once(
    way: str, tmp_path: Path, pacs: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "web":
        monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    server = replace(pacs, title="OTHER")
    with pytest.raises(PacsError) as caught:
        fetch.run(tmp_path, settings(server, way))
    assert caught.value.code == "denied"
    assert "wrong" not in str(caught.value)


def test_a_pacs_that_is_not_there_is_named_as_such(
    tmp_path: Path, pacs: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = replace(pacs, http_port=free_port(), dicom_port=free_port())
    for way in ("web", "get"):
        with pytest.raises(PacsError) as caught:
            fetch.run(tmp_path, settings(gone, way))
        assert caught.value.code == "unreachable"
        capsys.readouterr()
        say("after it")  # while the error is still at hand: no progress bar may hold the screen
        assert capsys.readouterr().err == "after it\n"


@pytest.mark.parametrize("way", ["web", "get", "dcmtk get"])
def test_what_a_study_has_gained_since_it_was_complete_is_brought(
    way: str, tmp_path: Path, files: list[Path], request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue("empty_dcmtk" if "dcmtk" in way else "empty")
    ours = [file for file in files if file.name.startswith("1-")]
    for part in (ours[:5], ours[5:]):
        send(server, part)
        (tmp_path / "fetch.run.json").unlink(missing_ok=True)  # as on the next day
        fetch.run(tmp_path, settings(server, way))
    assert pixels(fetched(tmp_path)) == pixels(ours)


def test_a_study_that_is_complete_and_has_gained_nothing_is_not_listed_again(
    tmp_path: Path, pacs: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plainscan.dicom.pacs_web import WebPacs

    fetch.run(tmp_path, settings(pacs))
    (tmp_path / "fetch.run.json").unlink()
    monkeypatch.setattr(WebPacs, "instances", lambda *_: pytest.fail("listed again"))
    assert fetch.run(tmp_path, settings(pacs))["complete"] == 3


def test_a_study_that_has_gone_is_not_forgotten(tmp_path: Path, pacs: Server) -> None:
    fetch.run(tmp_path, settings(pacs))
    digest = json.loads((tmp_path / NAME).read_text().splitlines()[0])["query"]
    with (tmp_path / NAME).open("a") as journal:
        journal.write(json.dumps({"study": "0" * 32, "query": digest}) + "\n")
    (tmp_path / "fetch.run.json").unlink()
    assert fetch.run(tmp_path, settings(pacs))["failed"] == 1
    table = read(tmp_path, TRANSFERS)
    assert table.filter(table["code"] == "vanished")["folder"].to_list() == ["0" * 32]


def test_our_port_takes_nothing_that_was_not_asked_for(tmp_path: Path, pacs: Server, files: list[Path]) -> None:
    from plainscan.dicom.pacs_receive import Inbox, Receiver

    kept: list[str] = []
    receiver = Receiver(settings(pacs, "move"))
    try:
        with receiver.open(Inbox({f"{ROOT}1.1.1"}, lambda uid, _: kept.append(uid))):
            command = [program("storescu"), "-v", "-nh", "-aec", "PLAINSCAN", "127.0.0.1", str(pacs.move_port)]
            done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    finally:
        receiver.close()
    assert done.stderr.count("Received Store Response (Error: DataSetDoesNotMatchSOPClass)") == 15
    assert kept == [f"{ROOT}1.1.1"]


def test_studies_without_a_series_that_was_asked_for_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    counts = fetch._conclude([Outcome(FoundStudy("1.2"), "aa", "complete", "no_series", 0, 0, 0)])
    assert counts["complete"] == 1
    assert "fetch: 1 study: no series of the study has the modality and body part" in capsys.readouterr().err


def test_what_was_fetched_can_be_scanned(tmp_path: Path, pacs: Server) -> None:
    fetch.run(tmp_path, settings(pacs))
    counts = scan.run(tmp_path, ScanSettings(source=tmp_path / "fetched"))
    assert counts == {"images": 16, "series": 4, "studies": 3, "rejects": 0}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(pair: tuple[Path, Path], files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with orthanc(tmp_path_factory.mktemp("secure"), pair) as server:
        send(server, files, pair)
        yield server


@pytest.mark.parametrize("way", ["web", "get", "move"])
def test_every_way_works_over_tls(
    way: str, tmp_path: Path, secure: Server, pair: tuple[Path, Path], files: list[Path]
) -> None:
    public, private = pair
    fetch.run(tmp_path, settings(secure, way, ca=public, certificate=public, key=private))
    assert pixels(fetched(tmp_path)) == pixels(files)


@pytest.mark.parametrize("way", ["web", "get"])
def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    way: str, tmp_path: Path, secure: Server, pair: tuple[Path, Path]
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other")
    with pytest.raises(PacsError) as caught:
        fetch.run(tmp_path / "run", settings(secure, way, ca=other, certificate=pair[0], key=pair[1]))
    assert caught.value.code == "tls"
    assert not fetched(tmp_path / "run")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_list_is_read_in_every_encoding_that_a_spreadsheet_saves(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("检查号,备注\nCT001,头颅平扫\nCT002,急诊\n", encoding=encoding)
    assert fetch.read_accessions(tmp_path / "list.csv") == ["CT001", "CT002"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("A1\nA*\n", "line 2: no accession number"), ("", "no accession number"), ("12345678901234567", "line 1")],
)
def test_a_list_that_is_none_is_refused_without_repeating_it(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(SourceError, match=message) as caught:
        fetch.read_accessions(tmp_path / "list.csv")
    assert "A*" not in str(caught.value)


def test_a_port_that_is_taken_or_none_is_refused(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        for listen in (f"127.0.0.1:{taken.getsockname()[1]}", "here", "127.0.0.1:99999"):
            asked = FetchSettings.model_validate(
                {**DAYS, "pacs": "dicom://AE@127.0.0.1:1", "retrieve": "move", "listen": listen}
            )
            with pytest.raises(ConfigError, match="--listen"):
                fetch.run(tmp_path, asked)
