"""The host side of every built-in net, one room each: host section, options, pipeline, steps."""
