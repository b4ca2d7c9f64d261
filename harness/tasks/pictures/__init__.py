"""The parts of tasks that read pictures: what a processor's file says, and random changes in training."""
