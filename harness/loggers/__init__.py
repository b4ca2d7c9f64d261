"""Loggers that copy what a sweep records to TensorBoard and MLflow, through their own packages."""
