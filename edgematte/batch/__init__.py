"""Many pictures on one machine or a cluster: inputs, workers, and an index of what was done."""
