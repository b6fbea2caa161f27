"""Work on many machines: parts of one job, done by workers of a cluster, with the same results as in this process.

A part of a job is a `shards.Shard`: what it returns depends on it alone, so that any worker can do it, and another one
again where one died. `cluster.Cluster` hands them out, tells how far they are, stops them, and hands each result over
once. What only this process does is what cannot be done twice: it alone writes files.

`worker.Worker` is what stands at the other end; `shards.Backend` what keeps such workers, of which `rays.RayBackend`
is the one for Ray (https://docs.ray.io), an optional extra; `asked.ClusterAsked` are the flags of a command.
`pool.Pool` lends a cluster to the jobs of a program that has many: to one for its parts, and workers to some that are
done whole.

Whoever may speak to a cluster runs any code on it: it belongs into a network of one's own.
"""
