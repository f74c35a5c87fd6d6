"""A bundle's bill of materials: CycloneDX 1.6 with a machine-learning model as its subject.

`cyclonedx-python-lib` writes and validates it. The library has no class for `modelCard` yet, so
that this part of the standard's JSON is added to what it wrote, before it is validated.
"""

import json
import uuid
from typing import TYPE_CHECKING, Any

from edgematte.card import Card
from edgematte.errors import EngineError, ExportError
from edgematte.extras import importing
from edgematte.manifest import FILE, Graph, Manifest
from edgematte.runtime.bundle import Bundle, sha256_file

DATA, STAGE = "training-data", "trimap-stage"

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

PIP_LINE = 'pip install "edgematte[sbom]"'
NAMESPACE = uuid.UUID("7c3f6c1e-6a6e-5d0c-8f5c-9a51d1f4e0a2")  # of serial numbers, by the manifest


def bill_of(bundle: Bundle) -> str:
    """The bill of a verified bundle as JSON text; equal bundles have equal serial numbers.

    It lists the model with its licence and figures, the imported net that finds its trimaps with
    its own licence, every file with its SHA-256, the pictures that the weights were trained on with
    their licences, and the tools that made the bundle.

    Raises:
        EngineError: the package that writes it is not installed.
    """
    with importing("a bill of materials needs cyclonedx-python-lib", PIP_LINE, EngineError):
        from cyclonedx.model.bom import Bom
        from cyclonedx.output.json import JsonV1Dot6
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

    manifest = bundle.manifest
    digest = sha256_file(bundle.path / FILE)
    model = _model(manifest, digest)
    files = [_file(FILE, digest), *(_file(n, h) for n, h in sorted(manifest.files.items()))]
    data = _data(manifest.weights.card or Card(), DATA)
    stage = _stage(manifest)
    bom = Bom(
        components=[*files, *data, *(part for row in stage for part in row), *_tools(manifest)]
    )
    bom.serial_number = uuid.uuid5(NAMESPACE, digest)
    bom.metadata.component = model
    bom.register_dependency(model, [*files, *data, *(one for one, *_ in stage)])
    for one, *others in stage:
        bom.register_dependency(one, others)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"]["component"]["modelCard"] = _model_card(manifest)
    text = json.dumps(document, indent=2) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ExportError(f"the bill of materials is not valid CycloneDX ({problem})")
    return text


def _stage(manifest: Manifest) -> "list[list[Component]]":
    """The net of the trimap stage, if there is one, and the pictures it was trained on."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalContact

    weights = manifest.stage_weights
    if weights is None:
        return []
    card = weights.card or Card()
    name = LicenseFactory().make_from_string
    net = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=weights.source,
        version=weights.sha256[:16],
        bom_ref=STAGE,
        description="finds the trimaps",
        licenses=[name(card.license)] if card.license else None,
        authors=[OrganizationalContact(name=author) for author in card.authors],
        copyright=card.attribution or None,
        hashes=[_sha256(weights.sha256)],
    )
    return [[net, *_data(card, f"{STAGE}-{DATA}")]]


def _model(manifest: Manifest, digest: str) -> "Component":
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalContact

    card = manifest.weights.card or Card()
    name = LicenseFactory().make_from_string
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=manifest.model,
        version=manifest.weights.sha256[:16],
        bom_ref=f"model-{digest[:16]}",
        description=f"image matting, cut {manifest.host.cut}, {manifest.target}, "
        f"{manifest.precision}; weights: {manifest.weights.source}",
        licenses=[name(card.license)] if card.license else None,
        authors=[OrganizationalContact(name=author) for author in card.authors],
        copyright=card.attribution or None,
        hashes=[_sha256(digest)],
    )


def _file(name: str, digest: str) -> "Component":
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.FILE, name=name, bom_ref=f"file-{name}", hashes=[_sha256(digest)]
    )


def _data(card: Card, prefix: str) -> "list[Component]":
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType

    name = LicenseFactory().make_from_string
    return [
        Component(
            type=ComponentType.DATA,
            name=data.name,
            bom_ref=f"{prefix}-{number}",
            description=data.what or None,
            licenses=[name(data.license)] if data.license else None,
        )
        for number, data in enumerate(card.data)
    ]


def _tools(manifest: Manifest) -> "list[Component]":
    from cyclonedx.model.component import Component, ComponentType

    return [
        Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"tool-{name}",
            description="made the bundle",
        )
        for name, version in sorted(manifest.tools.items())
    ]


def _sha256(digest: str) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _model_card(manifest: Manifest) -> dict[str, Any]:
    card = manifest.weights.card or Card()
    figures = [
        {"type": name, "value": f"{getattr(row, name):.6g}", "slice": f"{row.region}, {row.engine}"}
        for row in manifest.accuracy.quality
        for name in ("sad", "mse", "mad", "grad", "conn")
    ]
    outer = [graph for graph in manifest.graphs if graph.inputs]
    made: dict[str, Any] = {
        "modelParameters": {
            "task": "image matting",
            "architectureFamily": manifest.model,
            "datasets": [{"ref": f"{DATA}-{number}"} for number in range(len(card.data))],
            "inputs": [{"format": text} for graph in outer for text in _tensors(graph, True)],
            "outputs": [{"format": text} for graph in outer for text in _tensors(graph, False)],
        },
        "quantitativeAnalysis": {"performanceMetrics": figures},
    }
    return made


def _tensors(graph: Graph, inputs: bool) -> list[str]:
    tensors = graph.inputs if inputs else graph.outputs
    return [
        f"{graph.name}.{t.name}: {t.dtype} {t.layout} {list(t.shape)}, {t.meaning}" for t in tensors
    ]
