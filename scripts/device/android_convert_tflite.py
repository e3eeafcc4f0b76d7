#!/usr/bin/env python3
"""Makes the TFLite (LiteRT) artifact for Android from MODEL, or from a TorchScript .pt with --trust."""

import argparse

from edgeproof.cli import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  android_convert_tflite.py examples/digits_cnn.py:model --out out\n"
        "  android_convert_tflite.py net.pt --trust --out out --quantize --rep-dir rep_samples/\n\n"
        "every other option of `edgeproof convert` may follow, such as --input and --json",
    )
    parser.add_argument("model", help="file.py:factory, package.module:factory, model.pt2, or model.pt with --trust")
    parser.add_argument("--quantize", action="store_true", help="full int8, calibrated with the representative samples")
    parser.add_argument("--rep-dir", metavar="DIR", help="representative samples; default: the model's own")
    given, others = parser.parse_known_args()
    samples = ["--samples", given.rep_dir] if given.rep_dir else []
    precision = "int8" if given.quantize else "fp32"
    main(["convert", given.model, "--to", "litert", "--precision", precision, *samples, *others])
