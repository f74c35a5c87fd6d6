"""How each built-in net is trained: its losses, what it is shown, its recipes. One file a net."""
