"""
Asks the official validators of provenance formats about documents that mlpipe wrote.

    validate.py FORMAT DOCUMENT [ARGUMENT…]

Prints one problem a line and answers 1, or answers 0. test/runtime/support/validators.ts installs what it imports.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path


def in_toto(document, *_):
    """in-toto's own protocol buffers, which refuse unknown fields, and the framework's validation of a statement."""
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    text = Path(document).read_text()
    statement = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    json_format.ParseDict(json.loads(text)["predicate"], provenance_pb2.Provenance())
    return []


def dsse(document, public_key):
    """The envelope's signature, by the library that in-toto and TUF verify with."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    envelope = json.loads(Path(document).read_text())
    keyid = envelope["signatures"][0]["keyid"]
    key = SSlibKey.from_crypto(load_pem_public_key(Path(public_key).read_bytes()), keyid=keyid)
    Envelope.from_dict(envelope).verify([key], 1)
    return []


def openlineage(document, *_):
    """The official client's classes, generated from the schemas: each facet by the schema that it says it follows."""
    import openlineage.client.generated as generated
    from openlineage.client import event_v2

    classes = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            schema = getattr(value, "_get_schema", None)
            if isinstance(value, type) and schema is not None:
                classes[value._get_schema()] = value

    def facets(values):
        made = {}
        for name, value in (values or {}).items():
            plain = {key: each for key, each in value.items() if key not in ("_producer", "_schemaURL")}
            made_by = classes.get(value["_schemaURL"])
            if made_by is None:
                raise ValueError(f"facet {name} follows {value['_schemaURL']}, which the client does not know")
            if "openlineage.io/spec/2-" in value["_schemaURL"]:
                plain = {}
            made[name] = made_by(**plain)
        return made

    def datasets(values, made_by, own):
        return [
            made_by(namespace=each["namespace"], name=each["name"], facets=facets(each["facets"]),
                    **{own: facets(each.get(own))})
            for each in values
        ]

    for event in json.loads(Path(document).read_text()):
        event_v2.RunEvent(
            eventType=event_v2.RunState[event["eventType"]],
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=event_v2.Run(runId=event["run"]["runId"], facets=facets(event["run"]["facets"])),
            job=event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"],
                             facets=facets(event["job"]["facets"])),
            inputs=datasets(event["inputs"], event_v2.InputDataset, "inputFacets"),
            outputs=datasets(event["outputs"], event_v2.OutputDataset, "outputFacets"),
        )
    return []


def cyclonedx(document, *_):
    """The official schema of CycloneDX 1.6, in its strict form, as the official library ships it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(document).read_text())
    return [] if error is None else [str(error)]


def croissant(document, rows):
    """MLCommons' loader: no error, no warning, and it reads as many rows as there are."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=document)
    issues = dataset.metadata.ctx.issues
    problems = [str(each) for each in [*issues.errors, *issues.warnings]]
    if int(rows) > 0:
        found = sum(1 for _ in dataset.records(dataset.metadata.record_sets[0].uuid))
        if found != int(rows):
            problems.append(f"{found} rows were read, not {rows}")
    return problems


def ro_crate(folder, context, severity):
    """The official validator, against the profile of Workflow Run Crates and those below it; nothing is fetched."""
    import requests
    from rocrate_validator import models, services
    from rocrate_validator.utils.http import HttpRequester

    def served(_self, url, **_options):
        if url.rstrip("/") != "https://w3id.org/ro/crate/1.1/context":
            raise RuntimeError(f"asks for {url}")
        answer = requests.Response()
        answer.status_code, answer._content, answer.url = 200, Path(context).read_bytes(), url
        answer.headers["Content-Type"] = "application/ld+json"
        return answer

    HttpRequester.get = served
    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=folder,
            profile_identifier="workflow-run-crate",
            requirement_severity=models.Severity[severity],
        )
    )
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]


def model_signing(bundle, model, public_key):
    """OpenSSF's verifier: the signature, and every file of the model."""
    from model_signing import verifying

    verifying.Config().use_elliptic_key_verifier(public_key=public_key).verify(model, bundle)
    return []


FORMATS = {
    "in-toto": in_toto,
    "dsse": dsse,
    "openlineage": openlineage,
    "cyclonedx": cyclonedx,
    "croissant": croissant,
    "ro-crate": ro_crate,
    "model-signing": model_signing,
}

if __name__ == "__main__":
    try:
        problems = FORMATS[sys.argv[1]](*sys.argv[2:])
    except Exception as error:  # A validator says no by raising.
        problems = [f"{type(error).__name__}: {error}"]
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
