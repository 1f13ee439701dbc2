"""Events in the formats of other tools, in seconds: of predictions and of annotations.

``registry.py`` lists the formats; one file each renders them; ``run.py`` chooses and writes.
"""
