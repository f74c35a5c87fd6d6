"""INT8: recording the inputs of each graph, a quantizer for each target, the accuracy ladder."""
