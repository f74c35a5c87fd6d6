"""The host side of each built-in net, a folder each: host section, options, pipeline, steps."""
