"""What stands in an ``.mlpackage``: the folder, the protobuf message in it, and its file of weights."""
