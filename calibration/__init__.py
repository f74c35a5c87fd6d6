"""INT8: what the host really feeds each graph, quantizers by target, and the accuracy ladder."""
