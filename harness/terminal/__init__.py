"""Output for people on a terminal: live screens, plain lines, leaderboards and outcomes."""
