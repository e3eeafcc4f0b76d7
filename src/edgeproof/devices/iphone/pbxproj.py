"""An Xcode project file as text: an app, its tests, its models, its files and Swift packages beside it.

The format is an OpenStep property list (Xcode 15 and later, object version 60). Identifiers follow from names, so that
the same project is the same text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["BUNDLE", "NAME", "TESTS", "Contents", "project_text", "scheme_text"]

NAME, TESTS = "EdgeProofBench", "EdgeProofBenchTests"
BUNDLE = "dev.edgeproof.bench"
IOS = "16.0"
"""The oldest that takes all of an ML program's types."""
TYPES = {".swift": "sourcecode.swift", ".mlpackage": "folder.mlpackage", ".json": "text.json"}
PLAIN = re.compile(r"^[A-Za-z0-9_./]+$")

Plist: TypeAlias = "str | Sequence[Plist] | Mapping[str, Plist]"


@dataclass(frozen=True)
class Contents:
    """What a project is made of; paths are relative to the folder of the project.

    Attributes:
        sources: Swift of the app.
        tests: Swift of its tests.
        models: Core ML packages, which Xcode compiles.
        resources: files that are copied into the app.
        packages: folders of Swift packages, and the product of each.
    """

    sources: Sequence[str]
    tests: Sequence[str]
    models: Sequence[str]
    resources: Sequence[str]
    packages: Mapping[str, str]


def project_text(contents: Contents) -> str:
    """``project.pbxproj``."""
    objects: dict[str, Mapping[str, Plist]] = {}

    def add(kind: str, key: str, fields: Mapping[str, Plist]) -> str:
        number = _id(f"{kind} {key}")
        objects[number] = {"isa": kind, **fields}
        return number

    def file(path: str) -> str:
        suffix = path[path.rfind(".") :] if "." in path else ""
        fields = {"lastKnownFileType": TYPES.get(suffix, "file"), "path": path, "sourceTree": "<group>"}
        return add("PBXFileReference", path, fields)

    def built(phase: str, path: str) -> str:
        return add("PBXBuildFile", f"{phase} {path}", {"fileRef": file(path)})

    def phase(kind: str, target: str, files: Sequence[str]) -> str:
        return add(
            kind, target, {"buildActionMask": "2147483647", "files": files, "runOnlyForDeploymentPostprocessing": "0"}
        )

    def configurations(key: str, debug: Mapping[str, Plist], release: Mapping[str, Plist]) -> str:
        both = [
            add("XCBuildConfiguration", f"{key} {name}", {"buildSettings": settings, "name": name})
            for name, settings in (("Debug", debug), ("Release", release))
        ]
        fields = {
            "buildConfigurations": both,
            "defaultConfigurationIsVisible": "0",
            "defaultConfigurationName": "Release",
        }
        return add("XCConfigurationList", key, fields)

    products = {
        path: add("XCSwiftPackageProductDependency", path, {"productName": product})
        for path, product in contents.packages.items()
    }
    packages = [add("XCLocalSwiftPackageReference", path, {"relativePath": path}) for path in contents.packages]
    linked = [add("PBXBuildFile", f"linked {path}", {"productRef": number}) for path, number in products.items()]
    app = _product(add, f"{NAME}.app", "wrapper.application")
    bundle = _product(add, f"{TESTS}.xctest", "wrapper.cfbundle")
    compiled = [*contents.sources, *contents.models]
    target = add("PBXNativeTarget", NAME, {
        "buildConfigurationList": configurations(NAME, APP, APP),
        "buildPhases": [
            phase("PBXSourcesBuildPhase", NAME, [built("compiled", path) for path in compiled]),
            phase("PBXFrameworksBuildPhase", NAME, linked),
            phase("PBXResourcesBuildPhase", NAME, [built("copied", path) for path in contents.resources]),
        ],
        "buildRules": [],
        "dependencies": [],
        "name": NAME,
        "packageProductDependencies": list(products.values()),
        "productName": NAME,
        "productReference": app,
        "productType": "com.apple.product-type.application",
    })  # fmt: skip
    project = _id("PBXProject")
    proxy = add("PBXContainerItemProxy", NAME, {
        "containerPortal": project, "proxyType": "1", "remoteGlobalIDString": target, "remoteInfo": NAME,
    })  # fmt: skip
    tests = add("PBXNativeTarget", TESTS, {
        "buildConfigurationList": configurations(TESTS, TEST, TEST),
        "buildPhases": [phase("PBXSourcesBuildPhase", TESTS, [built("tested", path) for path in contents.tests])],
        "buildRules": [],
        "dependencies": [add("PBXTargetDependency", NAME, {"target": target, "targetProxy": proxy})],
        "name": TESTS,
        "productName": TESTS,
        "productReference": bundle,
        "productType": "com.apple.product-type.bundle.unit-test",
    })  # fmt: skip
    grouped = [*compiled, *contents.tests, *contents.resources]
    group = add("PBXGroup", "products", {"children": [app, bundle], "name": "Products", "sourceTree": "<group>"})
    children = [*(file(path) for path in grouped), group]
    objects[project] = {
        "isa": "PBXProject",
        "attributes": {"BuildIndependentTargetsInParallel": "1", "LastUpgradeCheck": "1500"},
        "buildConfigurationList": configurations("project", {**PROJECT, **DEBUG}, {**PROJECT, **RELEASE}),
        "compatibilityVersion": "Xcode 15.0",
        "developmentRegion": "en",
        "hasScannedForEncodings": "0",
        "knownRegions": ["en", "Base"],
        "mainGroup": add("PBXGroup", "main", {"children": children, "sourceTree": "<group>"}),
        "packageReferences": packages,
        "productRefGroup": group,
        "projectDirPath": "",
        "projectRoot": "",
        "targets": [target, tests],
    }
    whole: dict[str, Plist] = {
        "archiveVersion": "1",
        "classes": {},
        "objectVersion": "60",
        "objects": objects,
        "rootObject": project,
    }
    return f"// !$*UTF8*$!\n{_text(whole)}\n"


PROJECT = {
    "ALWAYS_SEARCH_USER_PATHS": "NO",
    "CLANG_ENABLE_MODULES": "YES",
    "ENABLE_TESTABILITY": "YES",
    "IPHONEOS_DEPLOYMENT_TARGET": IOS,
    "SDKROOT": "iphoneos",
    "SWIFT_VERSION": "5.0",
    "TARGETED_DEVICE_FAMILY": "1,2",
}
DEBUG = {"ONLY_ACTIVE_ARCH": "YES", "SWIFT_OPTIMIZATION_LEVEL": "-Onone"}
RELEASE = {"SWIFT_COMPILATION_MODE": "wholemodule", "SWIFT_OPTIMIZATION_LEVEL": "-O", "VALIDATE_PRODUCT": "YES"}
APP = {
    "CODE_SIGN_STYLE": "Automatic",
    "COREML_CODEGEN_LANGUAGE": "None",
    "CURRENT_PROJECT_VERSION": "1",
    "GENERATE_INFOPLIST_FILE": "YES",
    "INFOPLIST_KEY_LSSupportsOpeningDocumentsInPlace": "YES",
    "INFOPLIST_KEY_UIApplicationSceneManifest_Generation": "YES",
    "INFOPLIST_KEY_UIFileSharingEnabled": "YES",
    "INFOPLIST_KEY_UILaunchScreen_Generation": "YES",
    "LD_RUNPATH_SEARCH_PATHS": ["$(inherited)", "@executable_path/Frameworks"],
    "MARKETING_VERSION": "1.0",
    "PRODUCT_BUNDLE_IDENTIFIER": BUNDLE,
    "PRODUCT_NAME": "$(TARGET_NAME)",
}
TEST = {
    "BUNDLE_LOADER": "$(TEST_HOST)",
    "CODE_SIGN_STYLE": "Automatic",
    "CURRENT_PROJECT_VERSION": "1",
    "GENERATE_INFOPLIST_FILE": "YES",
    "PRODUCT_BUNDLE_IDENTIFIER": f"{BUNDLE}.tests",
    "PRODUCT_NAME": "$(TARGET_NAME)",
    "TEST_HOST": f"$(BUILT_PRODUCTS_DIR)/{NAME}.app/{NAME}",
}


def _product(add, path: str, kind: str) -> str:  # type: ignore[no-untyped-def]
    fields = {"explicitFileType": kind, "includeInIndex": "0", "path": path, "sourceTree": "BUILT_PRODUCTS_DIR"}
    return str(add("PBXFileReference", path, fields))


def _id(key: str) -> str:
    """24 hexadecimal digits, as Xcode's own."""
    return hashlib.sha256(f"edgeproof {key}".encode()).hexdigest()[:24].upper()


def _text(value: Plist, indent: str = "") -> str:
    deeper = f"{indent}\t"
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return value if PLAIN.match(value) else f'"{quoted}"'
    if isinstance(value, Mapping):
        lines = [f"{deeper}{_text(key)} = {_text(item, deeper)};\n" for key, item in value.items()]
        return f"{{\n{''.join(lines)}{indent}}}"
    return f"(\n{''.join(f'{deeper}{_text(item, deeper)},{chr(10)}' for item in value)}{indent})"


def scheme_text() -> str:
    """A shared scheme whose tests and profiles are built for release: a debug build would be timed otherwise."""
    references = {
        name: '<BuildableReference BuildableIdentifier="primary" '
        f'BlueprintIdentifier="{_id(f"PBXNativeTarget {name}")}" '
        f'BuildableName="{name}{suffix}" BlueprintName="{name}" ReferencedContainer="container:{NAME}.xcodeproj"/>'
        for name, suffix in ((NAME, ".app"), (TESTS, ".xctest"))
    }
    runs = 'buildForRunning="YES" buildForTesting="YES" buildForProfiling="YES" buildForArchiving="YES"'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Scheme LastUpgradeVersion="1500" version="1.7">
  <BuildAction parallelizeBuildables="YES" buildImplicitDependencies="YES">
    <BuildActionEntries>
      <BuildActionEntry {runs} buildForAnalyzing="YES">{references[NAME]}</BuildActionEntry>
    </BuildActionEntries>
  </BuildAction>
  <TestAction buildConfiguration="Release" shouldUseLaunchSchemeArgsEnv="YES">
    <Testables><TestableReference skipped="NO">{references[TESTS]}</TestableReference></Testables>
  </TestAction>
  <LaunchAction buildConfiguration="Release" launchStyle="0" useCustomWorkingDirectory="NO">
    <BuildableProductRunnable runnableDebuggingMode="0">{references[NAME]}</BuildableProductRunnable>
  </LaunchAction>
  <ProfileAction buildConfiguration="Release" shouldUseLaunchSchemeArgsEnv="YES">
    <BuildableProductRunnable runnableDebuggingMode="0">{references[NAME]}</BuildableProductRunnable>
  </ProfileAction>
  <ArchiveAction buildConfiguration="Release" revealArchiveInOrganizer="YES"/>
</Scheme>
"""
