"""An exported model of a training with an adapter, as the adapter alone."""
