"""What object detection is made of: pictures in batches, what a model says of them, and simple models to beat."""
