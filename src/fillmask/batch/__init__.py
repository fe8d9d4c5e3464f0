"""Batch jobs: files of any size through a task, on one machine or on a Ray cluster.

The rows of the input are cut into shards. A shard is read, computed, and committed by itself, and always comes out the
same, so that a job that was killed goes on where it was. `schema` and `shards` read the input, `tasks` compute answers,
`outputs` and `manifest` write them, `local` and `ray` run a job. This package does not know how a file format or a model
works, nor the command line.
"""
