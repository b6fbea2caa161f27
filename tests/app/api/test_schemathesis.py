"""Schemathesis, which reads the description and sends what fits it and what does not, finds no fault of the studio."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.web.conftest import Site

CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


@pytest.mark.slow
def test_no_request_that_fits_the_description_or_breaks_it_finds_a_fault(site: Site, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    address = f"http://127.0.0.1:{site.port}/api/v1/openapi.json"
    command = [str(program), "run", address, "-H", f"X-Owner: {secrets.token_hex(16)}", "--checks", CHECKS]
    # A question may wait for a job for a minute, which is no fault.
    command += ["--phases", "fuzzing,stateful", "--max-examples", "10", "--request-timeout", "100"]
    command += ["--seed", "1", "--suppress-health-check", "all", "--no-color"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Tested: 29" in found.stdout.replace("  ", " "), found.stdout
