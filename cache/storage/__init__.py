"""Where the bytes of a store lie: a local folder or a server; its files, who may write them, what goes wrong there."""
