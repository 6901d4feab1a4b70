"""The operator: KServe's resources in a cluster → applications on Ray Serve, and their status.

`desired.desired` is the whole of its judgement: a pure function from a snapshot of the cluster
to what ought to be. `loop` reads, asks it, and writes the difference; `shell` runs that as a
process. ``umbel k8s operator`` is `shell.run`.
"""
