"""Packages of source around an engine, for the build systems of other projects: CMake, Android's Gradle, Swift."""
