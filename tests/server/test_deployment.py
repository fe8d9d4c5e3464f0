"""The image and the manifest: linted, valid, and in agreement with the service that they start."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fillmask.cli.serve import command
from fillmask.server.http.hosts import HostPolicy
from fillmask.server.http.routes import HEALTH

yaml = pytest.importorskip("yaml", reason="needs pyyaml: pip install pyyaml")

_DEPLOY = Path(__file__).parents[2] / "deploy"
_CONTAINERFILE = (_DEPLOY / "Containerfile").read_text("utf-8")
_KUBERNETES_VERSIONS = ("1.34", "1.36")


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    documents = yaml.safe_load_all((_DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    return {document["kind"]: document for document in documents}


@pytest.fixture
def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["Deployment"]["spec"]["template"]["spec"]
    return spec


def test_the_containerfile_is_linted() -> None:
    path = str(_DEPLOY / "Containerfile")
    result = subprocess.run([tool("hadolint"), path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", _KUBERNETES_VERSIONS)
def test_the_manifest_fits_the_schemas_of_kubernetes(version: str) -> None:
    path = str(_DEPLOY / "kubernetes.yaml")
    arguments = [tool("kubernetes-validate"), "--strict", "-k", version, path]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def instructions(name: str) -> list[str]:
    """The arguments of the last stage's instructions of a name."""
    stage = re.sub(r"\\\n\s*", "", _CONTAINERFILE).rpartition("\nFROM ")[2]
    return re.findall(rf"^{name} (.+)$", stage, re.MULTILINE)


def test_the_image_has_stages_a_user_a_model_and_a_health_check() -> None:
    assert len(re.findall("^FROM ", _CONTAINERFILE, re.MULTILINE)) == 2
    assert instructions("USER") == ["65532:65532"]
    assert instructions("ENTRYPOINT") == ['["fillmask"]']
    assert instructions("CMD") == ['["serve"]']
    assert not instructions("RUN"), "the last stage only takes what the first made"
    (check,) = instructions("HEALTHCHECK")
    assert "http://127.0.0.1:8000/health/ready" in check
    settings = dict(re.findall(r"(\w+)=(\S+)", " ".join(instructions("ENV"))))
    assert settings["FILLMASK_CACHE"].startswith("/tmp/")
    assert settings["HF_HUB_OFFLINE"] == "1"


def test_the_sources_of_the_image_are_there() -> None:
    root = _DEPLOY.parent
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", _CONTAINERFILE, re.MULTILINE):
        for source in line.split():
            assert (root / source).exists(), source
            assert f"!{source}" in (root / ".dockerignore").read_text().splitlines()


def test_probes_ask_routes_that_need_no_key(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        request = container[name]["httpGet"]
        assert request["path"] in HEALTH
        assert ports[request["port"]] == 8000
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    # The kubelet calls a pod by its address.
    HostPolicy("0.0.0.0", []).check([b"10.1.2.3:8000"])


def test_arguments_are_options_of_serve(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    name, *arguments = container["args"]
    assert name == "serve"
    parameters = command.make_context("serve", list(arguments), resilient_parsing=False).params
    assert parameters["metrics_port"] == 9000
    HostPolicy("0.0.0.0", parameters["allowed_hosts"])
    (mount,) = [each for each in container["volumeMounts"] if parameters["api_key_file"].startswith(each["mountPath"])]
    assert mount["readOnly"]
    grace = pod["terminationGracePeriodSeconds"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace > pause + parameters["shutdown_timeout"]


def test_the_pod_is_locked_down(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 65532
    assert not pod["automountServiceAccountToken"]
    assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_the_service_and_the_scaler_find_the_pods(manifest: dict[str, Any]) -> None:
    labels = manifest["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        manifest["Service"]["spec"]["selector"],
        manifest["Deployment"]["spec"]["selector"]["matchLabels"],
        manifest["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    assert manifest["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == manifest["Deployment"]["metadata"]["name"]  # fmt: skip
