"""VEX documents in the three formats, and what signs them."""

from __future__ import annotations

import base64
import json

SAID_AT = "2029-06-01T12:00:00.123456789Z"
OPENSSL = "pkg:deb/debian/openssl@3.0.1-1"


def openvex(*statements, said_at=SAID_AT, ident="https://example.com/vex-1", **members):
    """An OpenVEX document."""
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": ident,
        "author": "Team Blue",
        "timestamp": said_at,
        "version": 1,
        "statements": list(statements),
        **members,
    }
    return json.dumps(document).encode()


def said(name, status, *products, **members):
    """A statement of OpenVEX on packages or images by their package URLs."""
    why = {"justification": "vulnerable_code_not_present"} if status == "not_affected" else {}
    found = [one if isinstance(one, dict) else {"@id": one} for one in products]
    return {
        "vulnerability": {"name": name},
        "status": status,
        **({"products": found} if found else {}),
        **why,
        **members,
    }


def cyclonedx(*vulnerabilities, component=None, components=(), **members):
    """A CycloneDX document."""
    metadata = {"timestamp": SAID_AT, **({"component": component} if component else {})}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:1", "version": 1,
                "metadata": metadata, "components": list(components),
                "vulnerabilities": list(vulnerabilities)}  # fmt: skip
    return json.dumps(document | members).encode()


def analysed(name, state, *refs, **members):
    """A vulnerability of CycloneDX with its analysis."""
    return {"id": name, "analysis": {"state": state}, "affects": [{"ref": ref} for ref in refs], **members}


def csaf(*vulnerabilities, tree=None, category="csaf_vex", status="final"):
    """A CSAF document."""
    document = {
        "category": category,
        "publisher": {"name": "Vendor"},
        "tracking": {"id": "V-1", "version": "2", "status": status, "current_release_date": SAID_AT},
    }
    return json.dumps(
        {"document": document, "product_tree": tree or {}, "vulnerabilities": list(vulnerabilities)}
    ).encode()


def attestation(document, digest, *, is_bundle=False):
    """What `cosign attest --type openvex` makes of a document."""
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://openvex.dev/ns/v0.2.0",
        "subject": [{"name": "registry.example/app", "digest": {"sha256": digest.partition(":")[2]}}],
        "predicate": json.loads(document),
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    envelope = {"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [{"sig": "MEUC"}]}
    return json.dumps({"dsseEnvelope": envelope} if is_bundle else envelope).encode()
