"""The Kubernetes manifest has the shape that KubeRay reads, and its command is one that fillmask has."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="needs fillmask[ray]")

from fillmask.cli.batch import command

MANIFEST = Path(__file__).parents[3] / "deploy" / "kuberay.yaml"


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


def test_what_the_operator_checks(documents: dict[str, Any]) -> None:
    """Names of fields and rules as KubeRay's types and its validation of a RayJob have them: a name that they do not know is dropped or refused."""
    job = documents["RayJob"]
    spec = job["spec"]
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    assert len(job["metadata"]["name"]) <= 47
    assert set(spec) <= {
        "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint", "entrypointNumCpus",
        "entrypointNumGpus", "entrypointResources", "jobId", "managedBy", "metadata", "rayClusterSpec", "runtimeEnvYAML",
        "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate", "suspend",
        "ttlSecondsAfterFinished",
    }  # fmt: skip
    assert spec["ttlSecondsAfterFinished"] == 0 or spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] >= 0
    cluster = spec["rayClusterSpec"]
    assert set(cluster) <= {
        "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec",
        "headServiceAnnotations", "managedBy", "rayVersion", "suspend", "workerGroupSpecs",
    }  # fmt: skip
    assert cluster["authOptions"]["mode"] in ("disabled", "token")
    groups = [(cluster["headGroupSpec"], set()), *((group, {"groupName", "replicas", "minReplicas", "maxReplicas"}) for group in cluster["workerGroupSpecs"])]  # fmt: skip
    for group, more in groups:
        assert set(group) == {"rayStartParams", "template"} | more
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        for container in group["template"]["spec"]["containers"]:
            assert set(container) == {"name", "image", "env", "resources", "volumeMounts"}
            assert all(isinstance(variable["value"], str) for variable in container["env"])


def test_the_entrypoint_is_a_command(documents: dict[str, Any]) -> None:
    program, name, *arguments = shlex.split(documents["RayJob"]["spec"]["entrypoint"])
    assert (program, name) == ("fillmask", "batch")
    found = command.make_context(name, arguments).params
    assert (found["ray"], found["workers"]) == ("auto", "4:400")
    cluster = documents["RayJob"]["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    cores = int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert int(found["workers"].split(":")[1]) == cores * group["maxReplicas"]
