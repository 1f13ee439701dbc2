"""``avreplay explore``: a page on this machine that replays a whole store at every move of a slider."""
