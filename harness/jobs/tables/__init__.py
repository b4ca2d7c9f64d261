"""The tables that `harness predict` is given: their files, and the names in their columns of targets."""
