"""Telling this machine itself from others: no proxy of the user's leads here."""

import ipaddress


def is_own_machine(host: str) -> bool:
    """Whether a host's name or address, as it stands in a URL, is always this very machine; nothing is looked up."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)
