"""What a training sees: features of a split, attacks held out, crops and their order, batches, masks and mixtures."""
