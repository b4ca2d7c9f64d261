"""What a person sees: live screens, plain lines, leaderboards and outcomes.

Knows nothing of how trials are run.
"""
