"""Which addresses are this machine itself."""

import pytest

from foundation.downloads.own_machine import is_own_machine


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(
            (name, True)
            for name in ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")
        ),
        *((name, True) for name in ("0.0.0.0", "::", "::ffff:127.0.0.1")),
        *((name, False) for name in ("", "example.org", "localhost.example.org", "10.0.0.1", "192.168.0.1", "::2")),
    ],
)
def test_only_this_machine_is_itself(host: str, own: bool) -> None:
    """F4: what is asked without a proxy."""
    assert is_own_machine(host) is own
