#!/usr/bin/env python3
"""Makes the eager, TorchScript and ONNX artifacts: `edgeproof convert` with these formats in fp32, unless told else."""

import sys

from edgeproof.cli import main

if __name__ == "__main__":
    main(["convert", "--to", "sdk-eager,torchscript,onnx", "--precision", "fp32", *sys.argv[1:]])
