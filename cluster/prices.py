"""What the machines of a cluster cost."""

from pydantic import Field

from cluster.settings import Settings


class NodePrices(Settings):
    """Price of an hour of one machine, in any currency, by its type."""

    head: float = Field(ge=0.0)
    """Of the one that drives the sweep."""
    worker: float = Field(ge=0.0)
    """Of each of the others."""

    def of(self, num_workers: int) -> float:
        """Of an hour of the head and so many workers."""
        return self.head + num_workers * self.worker


def count_workers() -> int:
    """Living nodes but the head, of the Ray cluster that this process is connected to."""
    import ray

    return sum(node["Alive"] and "node:__internal_head__" not in node["Resources"] for node in ray.nodes())
