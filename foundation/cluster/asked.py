"""The flags of a command that can have its work done by a cluster."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from foundation.cluster.cluster import Cluster
from foundation.cluster.rays import RayBackend, check_reach
from foundation.command_line.arguments import MOST_THREADS
from foundation.command_line.flags import AsFlag, Asked, read_flags
from foundation.devices import choose_device
from foundation.errors import StudioError

MOST_WORKERS = 100_000


class ClusterAsked(Asked):
    """Where the work is done."""

    cluster: Annotated[str | None, AsFlag(metavar="ADDRESS", shown="")] = Field(
        None,
        description="have workers of a Ray cluster do the work: auto (the one that this machine is part of, or else "
        "one of this machine alone), HOST:PORT or ray://HOST:PORT; see docs/cluster.md",
    )
    cluster_workers: Annotated[int | None, AsFlag(metavar="N", shown="as many as there is room for")] = Field(
        None, ge=1, le=MOST_WORKERS, description="how many workers"
    )
    cluster_threads: Annotated[int | None, AsFlag(metavar="N", shown="1")] = Field(
        None, ge=1, le=MOST_THREADS, description="CPU threads of each worker"
    )


def read_cluster(arguments: argparse.Namespace) -> ClusterAsked:
    """What a command is told about a cluster. StudioError where it makes no sense, or nobody can be asked there.

    It is said before anything is loaded.
    """
    asked = read_flags(arguments, ClusterAsked)
    check(asked)
    return asked


def check(asked: ClusterAsked) -> None:
    """Refuse what makes no sense, or a cluster where nobody answers. Raises StudioError."""
    if asked.cluster is not None:
        check_reach(asked.cluster)
    elif asked.cluster_workers is not None or asked.cluster_threads is not None:
        raise StudioError("There are no workers without a cluster: say which one, with --cluster auto or an address.")


def own_device(asked: ClusterAsked, device: str) -> str:
    """Where this process computes: what a cluster does not do is little, and done by the CPU. StudioError for none."""
    return choose_device(device if asked.cluster is None else "cpu")


def connected(asked: ClusterAsked, device: str, spared: int = 0) -> RayBackend:
    """The workers of the cluster that was asked for, but for some. Raises StudioError for none that can be had."""
    assert asked.cluster is not None
    threads = asked.cluster_threads or 1
    return RayBackend(asked.cluster, device=device, threads=threads, workers=asked.cluster_workers, spared=spared)


@contextmanager
def opened(asked: ClusterAsked, device: str, *, quiet: bool = False) -> Iterator[Cluster | None]:
    """The cluster that was asked for, None for none; its workers end afterwards. StudioError for none that can be had.

    `device` is what was asked for: "auto" is a GPU where the cluster has some. Where the work is done then is printed.
    """
    if asked.cluster is None:
        yield None
        return
    backend = connected(asked, device)
    with Cluster(backend) as cluster:
        if not quiet:
            threads = asked.cluster_threads or 1
            many = f"{backend.workers} workers" if backend.workers > 1 else "1 worker"
            each = "a GPU each" if backend.device == "cuda" else f"{threads} CPU thread{'s' * (threads > 1)} each"
            print(f"Note: the work is done on {backend.description}: {many}, {each}.", file=sys.stderr)
        yield cluster
