"""`--ray local`: nothing that it starts listens beyond this machine, or answers without its token."""

import json
import os
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs fillmask[ray]")
pytest.importorskip("psutil", reason="needs psutil: pip install psutil")

# In a process of its own: the other tests' process may belong to a cluster already.
_STARTS = """
import json, os, sys
import psutil
from fillmask.batch.ray import LOCAL, connected, ray

@ray.remote
def there():
    return os.getpid()

with connected(LOCAL):
    worker = ray.get(there.remote())
    listening = {}
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        sockets = process.net_connections("inet")
        found = [s.laddr for s in sockets if s.status == psutil.CONN_LISTEN or s.type.name == "SOCK_DGRAM"]
        listening[f"{process.pid} {process.name()}"] = [f"{address.ip} {address.port}" for address in found]
    print(json.dumps({
        "worker": worker,
        "listening": listening,
        "gcs": ray.get_runtime_context().gcs_address,
        "version": ray.__version__,
        "mode": os.environ.get("RAY_AUTH_MODE"),
        "token": os.environ["RAY_AUTH_TOKEN"],
    }), flush=True)
    sys.stdin.readline()
with connected(LOCAL):  # a second one has a token of its own
    assert ray.get(there.remote()) != worker
print(json.dumps({"token": os.environ.get("RAY_AUTH_TOKEN"), "switch": ray._private.ray_constants.ENABLE_RAY_CLUSTER}))
"""
# Asks what `ray.init(address=...)` asks first, without its minute of patience.
_ASKS = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).check_alive([], timeout=5)
except Exception as error:
    print(type(error).__name__)
else:
    print("let in")
"""


def test_a_local_cluster_is_for_this_machine_alone(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**clean, "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", _STARTS], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        found = json.loads(_line(process.stdout))
        names = [name for name, sockets in found["listening"].items() if sockets]
        assert any("gcs_server" in name for name in names)
        assert any("raylet" in name for name in names)
        assert any(name.startswith(f"{found['worker']} ") for name in names)
        for name, sockets in found["listening"].items():
            for socket in sockets:
                address = ip_address(socket.split()[0])
                assert (getattr(address, "ipv4_mapped", None) or address).is_loopback, (name, socket)
        if tuple(map(int, found["version"].split(".")[:2])) >= (2, 59):  # asks for tokens by itself
            assert found["mode"] == "token"
            assert not (tmp_path / ".ray").exists()  # its token is in no file
            for mode, token, expected in (
                ("disabled", "", "AuthenticationError"),
                ("token", "0" * 64, "AuthenticationError"),
                ("token", found["token"], "let in"),
            ):
                asking = {**environment, "RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": token}
                asked = subprocess.run([sys.executable, "-W", "ignore", "-c", _ASKS, found["gcs"]], env=asking, capture_output=True, text=True, check=True)  # fmt: skip
                assert asked.stdout.split("\n")[-2:] == [expected, ""], (mode, asked.stdout)
        process.stdin.close()
        rest = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert rest == {"token": None, "switch": True} or sys.platform != "linux"


def _line(stream: object) -> str:
    """The first line that is an object: Ray's libraries may print before it."""
    for line in stream:  # type: ignore[attr-defined]
        if line.startswith("{"):
            return str(line)
    raise AssertionError("the cluster did not start")
