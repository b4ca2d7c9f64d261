"""How fast this machine trains: cells measured with the training core of a sweep, in the processes of a sweep.

Knows nothing of reports: results go to a file that `harness.records.bench` describes.
"""
