"""Fitted pipelines as ONNX graphs; imports onnx only when a graph is made."""
