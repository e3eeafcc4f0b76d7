#!/usr/bin/env python3
"""Makes the Core ML package for iPhone, in fp16 as the Neural Engine computes, or with int8 weights."""

import argparse

from edgeproof.cli import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n"
        "  ios_convert_coreml.py examples/digits_cnn.py:model --out out\n\n"
        "every other option of `edgeproof convert` may follow, such as --input, --trust and --json",
    )
    parser.add_argument("model", help="file.py:factory, package.module:factory, model.pt2, or model.pt with --trust")
    parser.add_argument("--quantize", action="store_true", help="weights in int8")
    parser.add_argument("--rep-dir", metavar="DIR", help="representative samples; default: the model's own")
    given, others = parser.parse_known_args()
    samples = ["--samples", given.rep_dir] if given.rep_dir else []
    precision = "int8" if given.quantize else "fp16"
    main(["convert", given.model, "--to", "coreml", "--precision", precision, *samples, *others])
