"""Boxes around objects: how far two overlap, which are found, and the metrics of detections."""
