"""Graphs on a server that speaks the Open Inference Protocol, KServe's v2, by gRPC or HTTP."""
