"""The Kubernetes manifest has the shape that KubeRay reads, and its command is one that fillmask has."""

import shlex
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="needs fillmask[ray]")

from fillmask.cli.batch import command

MANIFEST = Path(__file__).parents[2] / "deploy" / "kuberay.yaml"


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {found["kind"]: found for found in yaml.safe_load_all(MANIFEST.read_text("utf-8"))}


def test_shape(documents: dict[str, Any]) -> None:
    claim, job = documents["PersistentVolumeClaim"], documents["RayJob"]
    assert job["apiVersion"] == "ray.io/v1"
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert tuple(map(int, cluster["rayVersion"].split(".")[:2])) >= (2, 52)  # the first with tokens
    assert cluster["enableInTreeAutoscaling"] is True
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        # Every node sees the same files at the same place.
        assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_entrypoint_is_a_command(documents: dict[str, Any]) -> None:
    program, name, *arguments = shlex.split(documents["RayJob"]["spec"]["entrypoint"])
    assert (program, name) == ("fillmask", "batch")
    found = command.make_context(name, arguments).params
    assert (found["ray"], found["workers"]) == ("auto", "4:400")
    cluster = documents["RayJob"]["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    cores = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert int(found["workers"].split(":")[1]) == cores * group["maxReplicas"]
