"""Reading what comes from outside: bytes of regular files, JSON and TOML, checked against declared schemas.

Every reader of a file that somebody else may have written goes through here, so that each refusal is a DataError of
one sentence that names the file and the place in it, and nothing is allocated that the file does not pay for.
"""
