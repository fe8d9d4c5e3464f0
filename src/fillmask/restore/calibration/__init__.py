"""Honest probabilities: length priors, confidence weights, the calibration file, and the evaluation of restorations."""
