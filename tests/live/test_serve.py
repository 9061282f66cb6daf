"""The server as a process: only on this machine, and gone when it should be."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

import quintet
from quintet import cli
from quintet.live import beside
from quintet.live.beside import live_page
from quintet.live.serve import serve
from tests.run_folder import write_run


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.status == 200
    except urllib.error.HTTPError:
        return False


def wait_until_gone(address: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    where = urlsplit(address)
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((where.hostname or "", where.port or 0)):
                return
        time.sleep(0.05)
    raise AssertionError(f"{address} still answers")


def test_the_page_beside_a_run_lives_as_long_as_its_context(tmp_path: Path) -> None:
    with live_page(tmp_path / "not there yet") as address:
        assert answers(address)
        assert urlsplit(address).hostname == "127.0.0.1"
        assert len(urlsplit(address).path.strip("/")) >= 32
        assert not answers(address.replace(urlsplit(address).path, "/"))
        with live_page(tmp_path) as another:
            assert urlsplit(another).path != urlsplit(address).path
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", urlsplit(another).port or 0), 5):
                pass
    wait_until_gone(address)


def test_an_open_stream_of_events_does_not_keep_the_server(tmp_path: Path) -> None:
    with live_page(write_run(tmp_path / "run", 5, 20)) as address:
        stream = urllib.request.urlopen(f"{address}data/events", timeout=20)
        assert stream.readline().startswith(b"data: {")
    wait_until_gone(address)
    with contextlib.suppress(OSError):
        stream.close()


def test_a_killed_training_process_takes_its_page_with_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from quintet.live.beside import live_page\n"
        "with live_page(Path(sys.argv[1])) as address: print(address, flush=True); time.sleep(600)"
    )
    trainer = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert trainer.stdout is not None
    address = trainer.stdout.readline().decode().strip()
    assert answers(address)
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    wait_until_gone(address)


def test_a_killed_server_leaves_the_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    popen = subprocess.Popen
    monkeypatch.setattr(beside.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with live_page(tmp_path) as address:
        started[0].kill()
        started[0].wait()
        wait_until_gone(address)
    assert started[0].returncode == -signal.SIGKILL


def test_ctrl_c_ends_quintet_live_in_peace(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 5, 20)
    command = [sys.executable, "-m", "quintet.cli", "live", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith(f"Live page of {run}: http://127.0.0.1:")
    address = first.split()[-1]
    with urllib.request.urlopen(f"{address}data/events", timeout=20) as page_that_stays_open:
        assert page_that_stays_open.readline().startswith(b"data: {")
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, "")


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"Port {port} can't be had: .*Name another, or leave --port out"):
            serve(tmp_path, port)
    with pytest.raises(ValueError, match="Port 99999 can't be had"):
        serve(tmp_path, 99999)


def test_a_server_that_does_not_start_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "ROOT", tmp_path)
    (tmp_path / "quintet").mkdir()
    (tmp_path / "quintet/__init__.py").write_text("raise OSError('no room')")
    with pytest.raises(ValueError, match="The live page's server didn't start: OSError: no room"), live_page(tmp_path):
        pass


def test_missing_libraries_are_named_with_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs starlette and uvicorn. Install them with: pip install 'quintet\[live\]'"):
        beside.require()


def test_the_server_loads_no_torch() -> None:
    script = "import sys, quintet.live.serve; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "nowhere is not a folder. Name a folder that `quintet train` has written"),
        ([], 2, "RUN: Name one: the folder of a run or a comparison."),
        (["x", "--port", "-1"], 2, "--port"),
        (["x", "--prot", "1"], 2, '--prot: There is no such flag. Did you mean "--port"?'),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_served(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["live", *arguments]) == code
    assert said in capsys.readouterr().err


def test_training_with_the_live_page_tells_where_it_is_and_how_to_see_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def start(run: Any, quiet: bool) -> dict[str, str]:
        said.append(capsys.readouterr().err)
        assert answers(said[0].split()[-1])
        return {"run": run.machine.out}

    monkeypatch.setattr(quintet, "runs", SimpleNamespace(start=start), raising=False)
    out = tmp_path / "run"
    assert cli.main(["train", "grpo", "--task", "arithmetic", "--live", "--json", "--out", str(out)]) == 0
    assert said[0].startswith("Live page: http://127.0.0.1:")
    told = capsys.readouterr()
    assert f"quintet live {out}" in told.err
    assert told.out == f'{{"run": "{out}"}}\n'
