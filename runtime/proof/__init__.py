"""The proof on the user's own device: golden calls of a bundle's graphs, run where they will run.

`edgematte.load(bundle, engine="auto")` tries every engine and device that is here and takes the
fastest that is inside the tolerances; `edgematte.load(bundle, engine=..., verify=True)` tries one.
Both keep what was found in a cache, and leave it in `Matter.engine_choice`, an
:class:`~edgematte.runtime.proof.choice.EngineChoice`: `taken` and `trials`, each a
:class:`~edgematte.runtime.proof.trial.Trial` with engine, device, verdict, reason, seconds and the
worst difference, `remembered`, and `lines()` for people. `Matter.prove()` runs the golden calls of
an opened Matter again, whatever was remembered: it returns the differences, and raises
ToleranceError with figures where one is outside, or EngineError where a call fails. A server that
is asked whether it is ready calls it.
"""
