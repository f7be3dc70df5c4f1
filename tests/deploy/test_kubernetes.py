"""The Kubernetes manifests: their schemas, and what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployment import DEPLOY, GRACE

FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    part for name in KUSTOMIZATION["resources"] for part in yaml.safe_load_all((FOLDER / name).read_text())
]
PODS = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
    for manifest in MANIFESTS
    if manifest["kind"] == "Deployment"
}


@pytest.mark.parametrize("version", ["1.30", "1.34"])
def test_a_cluster_would_take_them(version: str) -> None:
    tool = Path(sys.executable).with_name("kubernetes-validate")
    files = [FOLDER / name for name in KUSTOMIZATION["resources"]]
    done = subprocess.run(
        [tool, "--strict", "--kubernetes-version", version, *files], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed for resource") == len(MANIFESTS)


def test_every_file_is_part_of_it() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"kustomization.yaml", *KUSTOMIZATION["resources"]}


@pytest.mark.parametrize("name", PODS)
def test_pods_run_as_a_user_on_a_read_only_file_system(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", PODS)
def test_probes_tell_alive_from_ready(name: str) -> None:
    (container,) = PODS[name]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}

    assert paths == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    assert container["readinessProbe"]["httpGet"]["port"] in {port["name"] for port in container["ports"]}


def test_a_worker_has_longer_than_its_grace() -> None:
    settings = next(manifest for manifest in MANIFESTS if manifest["kind"] == "ConfigMap")["data"]

    assert float(settings["TORIL_GRACE"]) == GRACE
    assert PODS["worker"]["terminationGracePeriodSeconds"] > GRACE


def test_services_and_budgets_find_their_pods() -> None:
    labels = {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in MANIFESTS
        if manifest["kind"] == "Deployment"
    }
    for manifest in MANIFESTS:
        if manifest["kind"] in {"Service", "PodDisruptionBudget"}:
            selector = manifest["spec"]["selector"]
            assert selector.get("matchLabels", selector) == labels[manifest["metadata"]["name"]]
