"""The portability lint: what other devices are known to get wrong in the files of an export.

:mod:`edgematte.export.lint.lint` runs the rules: those on values that a reference computes
(`values`), and those on the files of a target, a module each, which the table of targets names.
"""
