"""How each built-in net is trained: losses, samples, previews and recipes, a module a net."""
