"""What the operations compute: one file a family, one pure function an operation and version.

Raises:
    ArtifactError: any of them, where arguments do not fit each other or are none that MIL allows.
"""
