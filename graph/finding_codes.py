"""Every finding code of Python graphs, with one line on what it means.

``UMB-G1xx`` while a graph is traced, ``G2xx`` checks of the finished graph. A code is never
given a new meaning. Codes of KServe's resources are in ``umbel.k8s.resources.codes``.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "UMB-G101": "A class is set up with arguments it does not take.",
    "UMB-G102": "A call has an argument that its node does not take, or has it twice.",
    "UMB-G103": "A call lacks an argument that its node needs.",
    "UMB-G104": "A value of one graph is used in another.",
    "UMB-G105": "Annotations that cannot be evaluated; the ports have no types.",
    "UMB-G106": "Two different nodes have the same name.",
    "UMB-G107": "Several outputs are passed where one value is expected.",
    "UMB-G108": "A list, tuple or dict of graph values, or a node that is not called, is passed.",
    "UMB-G110": "A graph value is used as plain Python: in an `if`, a loop, or unpacked.",
    "UMB-G111": "A graph returns nothing.",
    "UMB-G112": "A graph function raised an error while it was traced.",
    "UMB-G120": "A switch has no case.",
    "UMB-G121": "A switch has no last branch.",
    "UMB-G122": "A switch has its last branch in the middle, or several of them.",
    "UMB-G123": "A share of a splitter is not a pair of weight and value.",
    "UMB-G124": "A weight is not a whole number of percent.",
    "UMB-G125": "An ensemble has no branches.",
    "UMB-G126": "Two branches of an ensemble have the same name.",
    "UMB-G127": "An ensemble's way of combining is unknown.",
    "UMB-G130": "An explainer has nothing to explain.",
    "UMB-G201": "A graph's name cannot be a path.",
    "UMB-G202": "Two graphs have the same name.",
    "UMB-G210": "A value does not fit the input it feeds: form, dtype, rank or length.",
    "UMB-G211": "A step reads a step that does not exist.",
    "UMB-G212": "Steps need each other in a circle.",
    "UMB-G213": "Graphs call each other in a circle.",
    "UMB-G214": "Branches of an ensemble have shapes that cannot be joined.",
    "UMB-G215": "A stream goes where one whole value is needed.",
    "UMB-G216": "A stream has several readers.",
    "UMB-G220": "The result of a call, or an input, is never used.",
    "UMB-G230": "The weights of a splitter do not sum to 100.",
    "UMB-G240": "A model's file is not there.",
    "UMB-G250": "A node's options contradict themselves.",
    "UMB-G251": "Nodes that go together in one replica cannot.",
    "UMB-G252": "A node's placement or environment cannot be read.",
    "UMB-G260": "A pool is not known.",
    "UMB-G261": "More is placed on a pool than its limits allow.",
    "UMB-G262": "A node is placed on a pool and asks for what the pool excludes.",
    "UMB-G263": "A pools file is not valid.",
    "UMB-G270": "A node asks for what the cluster does not have, or not so much of it.",
    "UMB-G271": "A node asks for more than any single machine has.",
    "UMB-G272": "A node runs where a label is that no machine has.",
    "UMB-G273": "All replicas together reserve more than the cluster has.",
    "UMB-G274": "Replicas that stay apart are more than the machines.",
    "UMB-G275": "At their largest, the deployments reserve more than the cluster has.",
}
"""Code → what it means."""

MODEL_MISSING = "UMB-G240"
"""Left out where it is for somebody else to find out: what a plan, a manifest or a cluster's
resource is made from need not have the model at hand."""
