"""Measures how fast this machine trains: cells, run by the training core and in the processes of a sweep.

Results go to a file that `harness.records.bench` describes.
"""
