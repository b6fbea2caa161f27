"""What a command is told about a cluster is refused before anything is loaded."""

import argparse
import importlib.util
import socket

import pytest

from foundation.cluster.asked import ClusterAsked, opened, own_device, read_cluster
from foundation.command_line.flags import add_flags
from foundation.errors import StudioError


def read(*words: str) -> ClusterAsked:
    parser = argparse.ArgumentParser()
    add_flags(parser, ClusterAsked)
    return read_cluster(parser.parse_args(words))


def test_without_a_cluster_nothing_is_begun() -> None:
    asked = read()
    with opened(asked, "auto") as cluster:
        assert cluster is None
    assert own_device(asked, "cpu") == "cpu"
    assert own_device(read("--cluster", "auto"), "cuda") == "cpu"  # the workers' device is theirs


@pytest.mark.parametrize("words", [("--cluster-workers", "2"), ("--cluster-threads", "1")])
def test_workers_without_a_cluster_are_refused(words: tuple[str, str]) -> None:
    with pytest.raises(StudioError, match="no workers without a cluster"):
        read(*words)


@pytest.mark.parametrize("address", ["here", "http://a:1", "a:99999", "a:1/b", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(StudioError, match="no address of a cluster"):
        read("--cluster", address)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nobody_answers_is_told_at_once(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StudioError, match="Nobody answers at"):
        read("--cluster", f"{scheme}127.0.0.1:{port}")


def test_where_ray_is_missing_it_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(StudioError, match=r"pip install 'crossmax-studio\[cluster\]'"):
        read("--cluster", "auto")
