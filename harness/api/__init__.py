"""What `from harness import ...` gives. Nothing slow is imported before a function is called."""
