"""The version of edgematte."""

VERSION = "0.1.0"
