"""Calls of the REST API and the stand-in's answers, held against Cloudflare's own OpenAPI document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS30Validator

from ingestion.core.cloudflare_rest import deployments_path
from simulator import cloudflare_usage
from simulator.cloudflare_api import StandIn
from tests.cloudflare.conftest import ACCOUNT, TOKEN

DOCUMENT = json.loads(
    (
        Path(__file__).resolve().parents[1] / "data" / "cloudflare_openapi" / "deployments.json"
    ).read_text(encoding="utf-8")
)
(PATH, OPERATION) = next((path, item["get"]) for path, item in DOCUMENT["paths"].items())
SCRIPTS = [script.name for script in cloudflare_usage.SCRIPTS]


def faults_of(value: object, schema: dict[str, Any]) -> list[str]:
    """What the document finds wrong with ``value``."""
    validator = OAS30Validator({**schema, "components": DOCUMENT["components"]})
    return [error.message for error in validator.iter_errors(value)]


def answer_schema(status: str) -> dict[str, Any]:
    found: dict[str, Any] = OPERATION["responses"][status]["content"]["application/json"]["schema"]
    return found


def get(api: StandIn, path: str, token: str = TOKEN) -> httpx.Response:
    return httpx.get(f"{api.url}{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("script", SCRIPTS)
def test_our_call_fits_the_path_and_its_parameters(script):
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", PATH)
    match = re.fullmatch(pattern, deployments_path(ACCOUNT, script))
    assert match is not None
    for parameter in OPERATION["parameters"]:
        assert faults_of(match[parameter["name"]], parameter["schema"]) == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_stand_ins_deployments_are_what_the_document_says(api, script):
    answer = get(api, deployments_path(ACCOUNT, script))
    assert answer.status_code == 200
    assert faults_of(answer.json(), answer_schema("200")) == []
    assert len(answer.json()["result"]["deployments"]) == 6


@pytest.mark.parametrize(("script", "token"), [("nobody", TOKEN), (SCRIPTS[0], "wrong")])
def test_the_stand_ins_refusals_are_what_the_document_says(api, script, token):
    answer = get(api, deployments_path(ACCOUNT, script), token)
    assert answer.status_code in {401, 404}
    failure = {"$ref": "#/components/schemas/workers_api-response-common-failure"}
    assert faults_of(answer.json(), failure) == []


def test_the_document_would_see_a_wrong_answer(api):
    good = get(api, deployments_path(ACCOUNT, SCRIPTS[0])).json()
    good["result"]["deployments"][0]["versions"] = [{"version_id": "v"}]
    assert faults_of(good, answer_schema("200"))
    assert faults_of({"success": True}, answer_schema("200"))


def test_odd_script_names_stay_one_part_of_the_path():
    assert deployments_path("a" * 32, "../zones?x=1").endswith("/..%2Fzones%3Fx%3D1/deployments")
