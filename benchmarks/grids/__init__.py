"""Full grids of learning rate and batch size: what is trained, how a cell is trained, and the file of a grid."""
