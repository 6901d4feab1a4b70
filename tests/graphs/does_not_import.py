"""A graph file that raises when it is run."""

from umbel import inference_graph


def limit() -> int:
    return {}["limit"]


@inference_graph
def graph(x):
    return x


LIMIT = limit()
