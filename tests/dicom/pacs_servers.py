"""Real PACS for tests, on free ports of this machine: Orthanc, DCMTK's dcmqrscp, and a proxy that cuts connections."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from pydicom import dcmread
from tests.conftest import absent
from tests.dicom.build import ct, encode

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "s3cret-canary"
PATIENT = "Canary^Patient"


@dataclass(frozen=True)
class Server:
    """A PACS that runs: how it is called, where its ports are, what process it is."""

    title: str
    dicom_port: int
    http_port: int
    move_port: int
    process: subprocess.Popen[bytes]
    secure: bool = False

    @property
    def web(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.http_port}/dicom-web"

    @property
    def dimse(self) -> str:
        return f"dicom{'s' if self.secure else ''}://{self.title}@127.0.0.1:{self.dicom_port}"


def free_port() -> int:
    """A port that nobody has, below those that the system gives to outgoing connections: one of them would take it."""
    for port in random.SystemRandom().sample(range(10_240, 32_768), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port among a hundred")


def program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        absent(f"{name} is not installed")
    return str(path)


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("the server does not listen")


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        wait_for(port, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def orthanc(folder: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """Orthanc with DICOMweb and a user; with TLS for both protocols when it has a certificate and key.

    TLS in front of its HTTP is ours: Debian's Orthanc 1.10 dies of the first request to its own.
    """
    binary = program("Orthanc")
    if not PLUGIN.is_file():
        absent("orthanc-dicomweb is not installed")
    dicom, web, move = free_port(), free_port(), free_port()
    configuration: dict[str, object] = {
        "Name": "test",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": web,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DefaultEncoding": "Utf8",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomModalities": {
            "us": {"AET": "PLAINSCAN", "Host": "127.0.0.1", "Port": move, "UseDicomTls": certificate is not None}
        },
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowGet": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full"},
    }
    if certificate:
        public, private = certificate
        configuration |= {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(public),
            "DicomTlsPrivateKey": str(private),
        }
        configuration |= {"DicomTlsTrustedCertificates": str(public)}
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with running([binary, str(folder / "orthanc.json")], web, folder / "orthanc.log") as process:
        wait_for(dicom, process)
        if certificate is None:
            yield Server("ORTHANC", dicom, web, move, process)
            return
        with tls_front(web, certificate) as port:
            yield Server("ORTHANC", dicom, port, move, process, secure=True)


@contextlib.contextmanager
def tls_front(target: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """A port that speaks HTTPS and asks the HTTP server at ``target``."""

    class Front(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            inner = http.client.HTTPConnection("127.0.0.1", target, timeout=60)
            inner.request("GET", self.path, headers=dict(self.headers))
            answer = inner.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Encoding"):
                if value := answer.getheader(name):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            inner.close()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = Quiet(("127.0.0.1", 0), Front)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(http.server.ThreadingHTTPServer):
    """Says nothing of a client that does not trust it."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def dcmqrscp(folder: Path) -> Iterator[Server]:
    """DCMTK's query and retrieve server; it knows our AE title at ``move_port``."""
    binary = program("dcmqrscp")
    port, move = free_port(), free_port()
    (folder / "store").mkdir()
    (folder / "dcmqrscp.cfg").write_text(
        f'NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n'
        f"HostTable BEGIN\nus = (PLAINSCAN, 127.0.0.1, {move})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nDCMTK {folder / 'store'} RW (200, 1024mb) ANY\nAETable END\n"
    )  # fmt: skip
    command = [binary, "-c", str(folder / "dcmqrscp.cfg")]
    with running(command, port, folder / "dcmqrscp.log") as process:
        yield Server("DCMTK", port, 0, move, process)


def send(server: Server, files: Sequence[Path], tls: tuple[Path, Path] | None = None) -> None:
    """Put files into a server with DCMTK's storescu."""
    command = [program("storescu"), "-aec", server.title]
    if tls:
        command += ["+tls", str(tls[1]), str(tls[0]), "+cf", str(tls[0])]
    done = subprocess.run(
        [*command, "127.0.0.1", str(server.dicom_port), *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def stored(server: Server) -> list[bytes]:
    """The files that an Orthanc holds."""

    def get(path: str) -> bytes:
        answer = requests.get(f"http://127.0.0.1:{server.http_port}/{path}", auth=(USER, PASSWORD), timeout=20)
        answer.raise_for_status()
        return answer.content

    return [get(f"instances/{name}/file") for name in json.loads(get("instances"))]


def studies(folder: Path) -> list[Path]:
    """Three studies: 2020-01-05 (6 images and 3 bone ones), 2020-01-06 (4 images), 2020-01-06 of a knee (3 images)."""
    folder.mkdir()
    plans = [
        (1, "20200105", "A1", "CT HEAD PLAIN", "HEAD", ((1, 6), (2, 3))),
        (2, "20200106", "A2", "头颅平扫", "HEAD", ((1, 4),)),
        (3, "20200106", "A3", "CT KNEE", "KNEE", ((1, 3),)),
    ]
    files = []
    for study, day, accession, description, part, series in plans:
        for number, count in series:
            for image in range(1, count + 1):
                ds = ct(
                    study=study, series=number, number=image, PatientName=PATIENT, SpecificCharacterSet="ISO_IR 192"
                )
                ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyDescription = (
                    day,
                    "101010",
                    accession,
                    description,
                )
                ds.BodyPartExamined, ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = part, "1", number, image
                files.append(folder / f"{study}-{number}-{image}.dcm")
                files[-1].write_bytes(encode(ds))
    return files


def pixels(files: Sequence[Path]) -> dict[str, bytes]:
    """What matters of files: their pixels, by instance UID."""
    found = {}
    for file in files:
        ds = dcmread(file)
        found[str(ds.SOPInstanceUID)] = bytes(ds.PixelData)
    return found


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, signed by itself, valid for a day."""
    public, private = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(private), "-out", str(public)],
        check=True, capture_output=True,
    )  # fmt: skip
    return public, private


class CuttingProxy:
    """Passes bytes to a port; each of its first ``cuts`` connections ends after so many bytes from the server."""

    def __init__(self, target: int, cuts: int, after: int) -> None:
        self._target, self.left, self._after = target, cuts, after
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self._after), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, after: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                passed += len(data)
                if after is not None and passed > after and self.left > 0:
                    self.left -= 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
