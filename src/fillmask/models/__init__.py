"""Checkpoints: where they come from, their configs, their weights, and the ONNX graphs of their encoders.

This package knows how a model is stored and built. It does not run a model.
"""
