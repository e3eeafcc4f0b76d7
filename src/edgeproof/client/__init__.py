"""The mobile-client simulator: drives a server, keeps every latency."""
