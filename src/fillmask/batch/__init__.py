"""Files of any size through a task, on one machine or on a Ray cluster.

Input rows are cut into shards of so many rows; a shard is read, computed and
committed by itself and always comes out the same, so a job that was killed
goes on where it was. What one shard's answers are is for `tasks` to say,
`inputs` and `outputs` know files, `manifest` knows what is done, `local` and
`cluster` get it done.
"""
