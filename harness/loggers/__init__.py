"""Where a sweep is told of besides its own records: TensorBoard and MLflow, through their own packages."""
