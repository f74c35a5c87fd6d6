"""The Kubernetes sample: KubeRay's published fields, and a command that parses.

The fields are those of KubeRay's API `ray.io/v1`, types RayJob and RayCluster (Apache-2.0), which
its custom resource definition is generated from; the API server refuses others. Templates of pods
are checked for what Ray needs of them.
"""

import shlex
from pathlib import Path
from typing import Any

import pytest

from edgematte.cli import build_parser

yaml: Any = pytest.importorskip("yaml", reason="the sample is read with PyYAML")
jsonschema: Any = pytest.importorskip("jsonschema", reason="it is checked with jsonschema")

SAMPLE = Path(__file__).resolve().parents[2] / "samples/kubernetes/batch.yaml"


def fields(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


WHOLE, TEXT, FLAG = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
POD = {"type": "object", "required": ["spec"]}
MOUNT = fields(["name", "mountPath"], name=TEXT, mountPath=TEXT)
CONTAINER = fields(
    ["name", "image"],
    name=TEXT,
    image=TEXT,
    env={"type": "array", "items": fields(["name"], name=TEXT, value=TEXT)},
    resources=fields([], requests=TEXTS, limits=TEXTS),
    volumeMounts={"type": "array", "items": MOUNT},
)
GROUP = {"rayStartParams": TEXTS, "template": POD}
HEAD = fields(["rayStartParams", "template"], **GROUP, serviceType=TEXT, enableIngress=FLAG)
WORKERS = fields(
    ["groupName", "rayStartParams", "template", "minReplicas", "maxReplicas"],
    **GROUP,
    groupName=TEXT,
    replicas=WHOLE,
    minReplicas=WHOLE,
    maxReplicas=WHOLE,
    numOfHosts=WHOLE,
)
CLUSTER = fields(
    ["headGroupSpec"],
    headGroupSpec=HEAD,
    workerGroupSpecs={"type": "array", "items": WORKERS},
    rayVersion=TEXT,
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=fields(
        [],
        idleTimeoutSeconds=WHOLE,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    ),
)
JOB = fields(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"type": "object", "required": ["name"]},
    spec=fields(
        ["entrypoint", "rayClusterSpec"],
        entrypoint=TEXT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        backoffLimit=WHOLE,
        activeDeadlineSeconds=WHOLE,
        shutdownAfterJobFinishes=FLAG,
        ttlSecondsAfterFinished=WHOLE,
        runtimeEnvYAML=TEXT,
        rayClusterSpec=CLUSTER,
    ),
)


@pytest.fixture
def job() -> Any:
    return yaml.safe_load(SAMPLE.read_text())


def templates(job: Any) -> list[Any]:
    cluster = job["spec"]["rayClusterSpec"]
    return [g["template"] for g in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_it_has_the_fields_of_kuberay(job: Any) -> None:
    jsonschema.validate(job, JOB)
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplica"] = 3
    with pytest.raises(jsonschema.ValidationError, match="maxReplica"):
        jsonschema.validate(job, JOB)


def test_its_pods_have_what_they_mount(job: Any) -> None:
    for template in templates(job):
        spec = template["spec"]
        for container in spec["containers"]:
            jsonschema.validate(container, CONTAINER)
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in spec["volumes"]}
            assert container["resources"]["requests"] == container["resources"]["limits"]


def test_its_command_parses_and_its_workers_fit_the_largest_cluster(job: Any) -> None:
    program, *words = shlex.split(job["spec"]["entrypoint"])
    arguments = build_parser().parse_args(words)
    assert (program, words[0], arguments.ray) == ("edgematte", "batch", "auto")
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    cores = group["maxReplicas"] * int(container["resources"]["limits"]["cpu"])
    assert arguments.actors * arguments.threads <= cores
