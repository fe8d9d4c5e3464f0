"""How many jobs of each kind a model process has in hand at once: a thread for each.

Two restorations, so that a short document does not wait for the end of a long one.
"""

LANES = {"score": 1, "restore": 2, "classify": 1}
