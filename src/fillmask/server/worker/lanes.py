"""How many jobs of each task a model process runs at once, each in a thread.

Two restorations, so that a short document does not wait for the end of a long one.
"""

LANES = {"score": 1, "restore": 2, "classify": 1}
