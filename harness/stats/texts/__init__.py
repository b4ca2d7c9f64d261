"""How two texts are compared: by the words, and by the runs of characters, that both have."""
